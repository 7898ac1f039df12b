//! What broke other proxies, gateways and token libraries, turned into cases, and the tests that stand for each.
//!
//! A case has the letter of its field (**H**eaders, **U**RL and method, **J**WT, **K**eys, **C**aches, **P**rotocol, **A**dmin API,
//! **O**peration) and a number. A test that carries the ids of its cases at the start of its name fails on the behaviour that they
//! forbid, and holds the twin that passes. That this table is complete, and names nothing that is not there, is tested below.
//!
//! | id | case | tests |
//! | --- | --- | --- |
//! | H1 | our headers under an alias (`X_Chat_UserID`, `X-Chat-UserSig_`) | `h1_an_underscore_twin_does_not_stand_beside_ours` `h1_every_alias_is_stripped_on_every_route` `h1_every_alias_of_our_names_is_stripped` `h1_every_spelling_folds_into_one` `h1_h9_what_only_the_proxy_may_say_is_stripped` `h1_headers_that_only_the_proxy_may_set_do_not_reach_flask` `h1_names_that_only_resemble_ours_stay` `h1_sites_before_the_same_app_strip_each_other_s_names_and_share_no_connection` |
//! | H2 | an identity header twice, in two spellings | `h2_a_name_sent_twice_is_stripped_as_a_whole` `h2_two_spellings_of_one_header_are_both_stripped` |
//! | H3 | `Connection` nominates our headers, or what is decided by | `h3_a_nominated_header_is_dropped_and_a_protected_one_refused` `h3_a_nomination_of_the_configured_token_header_is_refused` `h3_a_nomination_of_what_is_decided_by_is_refused` `h3_only_what_nobody_decides_by_may_be_nominated` |
//! | H4 | an identity header where nothing is injected | `h4_a_header_that_is_ours_only_since_a_reload_is_stripped_since_then` `h4_nobody_brings_an_identity_along` |
//! | H5 | a valid token without a usable subject | `h5_a_token_without_a_usable_subject_gives_no_identity` |
//! | H6 | line ends, NUL, non-ASCII or 64 KiB in a subject | `h6_a_subject_that_would_break_a_header_is_refused` `h6_control_and_non_ascii_characters_never_become_a_user_id` `h6_no_text_ends_a_line_or_leaves_ascii` |
//! | H7 | names that differ in case only | `h7_names_are_compared_without_case_everywhere` |
//! | H8 | headers that name another path or method | `h8_a_forwarded_host_chooses_no_route` `h8_a_header_that_names_another_path_or_method_changes_nothing` `h8_headers_that_name_another_request_do_not_choose_the_rule` |
//! | H9 | `X-Forwarded-*`, `Forwarded` of a stranger; a Host that injects | `h1_h9_what_only_the_proxy_may_say_is_stripped` `h9_a_client_behind_a_header_is_not_believed` `h9_a_header_of_a_stranger_closes_the_connection` `h9_a_host_cannot_be_injected` `h9_a_listener_that_asks_for_no_header_takes_none` `h9_a_scheme_or_host_counts_when_all_values_agree` `h9_a_trusted_proxy_is_believed_in_its_own_family_alone` `h9_a_trusted_proxy_names_client_scheme_and_host` `h9_forwarded_elements_stand_on_their_own` `h9_forwarded_tells_scheme_and_host_of_the_hop_that_names_the_client` `h9_forwarding_headers_are_stripped` `h9_malformed_values_of_a_trusted_proxy_are_dropped` `h9_nobody_else_is_believed` `h9_nobody_is_believed_by_default_and_strangers_never` `h9_nothing_at_the_left_changes_what_stands_at_the_right` `h9_only_listed_peers_are_believed` `h9_only_named_proxies_are_trusted_and_everybody_is_warned_about` `h9_the_client_is_the_first_one_from_the_right_that_is_not_trusted` `h9_the_peers_of_a_file_can_be_trusted` `h9_what_a_client_says_of_itself_over_tls_is_replaced` `h9_what_a_client_says_of_itself_through_a_file_is_replaced` `h9_what_is_not_one_scheme_or_host_is_the_connections_own` `h9_where_a_request_comes_from_is_said_by_us_alone` `h9_x_forwarded_for_is_read_from_the_right_entry_by_entry` |
//! | H10 | the User-Agent of a probe | `h10_a_probes_name_opens_nothing` `h10_no_probe_passes_by_its_user_agent` |
//! | H11 | two tokens, in one place or in several | `h11_a_repeated_or_joined_authorization_is_refused` `h11_another_spelling_of_a_token_header_is_stripped` `h11_cookie_fields_are_one_header` `h11_cookie_fields_over_http2_are_one_header` `h11_several_cookie_fields_are_one_header` `h11_two_places_must_agree` `h11_two_tokens_are_never_the_first_that_works` |
//! | H12 | a cookie twice, quoted, too long | `h12_a_cookie_is_one_bare_token_or_refused_every_time` `h12_a_cookie_name_that_some_readers_would_trim_further_is_refused` `h12_repeated_and_quoted_cookies_are_decided_one_way` |
//! | H13 | our headers on a WebSocket upgrade | `h13_an_upgrade_brings_no_identity_along` |
//! | U1 | a path that two servers read differently | `u1_a_path_that_is_let_through_is_forwarded_byte_for_byte` `u1_a_space_is_judged_and_forwarded_in_one_spelling` `u1_an_ambiguous_path_gets_the_strictest_access_of_any_route` `u1_an_ambiguous_path_is_refused_or_gets_the_strictest_access` `u1_no_spelling_of_a_guarded_path_reaches_the_app_without_a_session` `u1_no_tolerance_lets_a_path_climb` `u1_paths_with_two_readings_are_refused` |
//! | U2 | a fragment in the target | `u2_a_fragment_in_the_target_is_refused` `u2_a_fragment_is_refused_and_an_encoded_number_sign_is_text` `u2_a_fragment_over_http2_is_gone_before_the_path_is_judged` |
//! | U3 | a query, and an encoded question mark | `u3_a_query_is_no_part_of_the_path` `u3_a_query_is_not_part_of_a_path_and_an_encoded_question_mark_is_text` |
//! | U4 | a Host in another spelling, two Hosts, a target in absolute form | `u4_a_host_that_two_programs_read_differently_is_refused` `u4_a_route_with_a_host_wins_on_that_host_only` `u4_a_target_in_absolute_form_is_judged_and_sent_in_origin_form` `u4_an_authority_and_a_host_that_differ_are_refused` `u4_hosts_that_two_programs_split_differently_are_refused` `u4_spellings_of_one_host_are_one_name` `u4_spellings_of_one_host_get_one_verdict` |
//! | U5 | a pattern that is not anchored or reads like an expression | `u5_a_dot_is_only_a_dot` `u5_patterns_that_are_not_anchored_or_read_like_expressions_are_refused` |
//! | U6 | a method in lower case, unknown, `CONNECT`, `TRACE`; preflights | `u6_a_method_in_lower_case_is_another_method` `u6_a_method_is_what_it_says_it_is` `u6_a_method_that_no_route_lists_gets_405_only_where_the_default_denies` `u6_a_preflight_is_granted_for_what_some_rule_allows_to_somebody` `u6_a_preflight_is_not_granted_for_any_other_command_method_or_origin` `u6_a_preflight_of_an_app_route_is_forwarded_as_nobody` `u6_a_preflight_of_an_unlisted_or_ambiguous_path_is_judged_like_any_request` `u6_a_preflight_reaches_no_unlisted_path_behind_a_session` `u6_names_that_no_request_should_rely_on_are_refused` `u6_options_with_a_body_or_credentials_does_not_pass_a_session_gate` `u6_trace_and_connect_are_refused_everywhere` `u6_what_a_browser_does_not_send_is_no_preflight` |
//! | U7 | a pattern that is too long or would backtrack | `u7_patterns_are_bounded` |
//! | U8 | a REST path with more or other segments | `u8_a_call_has_exactly_two_names_below_the_prefix` `u8_a_command_is_found_by_its_exact_name_only` `u8_a_member_reaches_none_of_the_commands_that_no_rule_gives_him` `u8_a_narrow_permission_gives_nothing_beside_it` `u8_whole_segments_decide` |
//! | U9 | two routes that match, or none | `o1_u9_what_is_not_written_opens_nothing` `u9_all_conflicts_are_reported_together` `u9_two_routes_that_could_both_win_are_a_conflict` `u9_what_no_route_lists_gets_the_default` |
//! | J1 | a public key as an HMAC secret | `j1_a_public_key_is_never_a_secret_nor_a_secret_a_public_key` `j1_a_public_key_used_as_a_secret_signs_nothing` |
//! | J2 | a JWK without `alg` | `j2_the_configuration_chooses_among_what_a_key_could_do` |
//! | J3 | `alg` that is `none`, missing or no text | `j3_the_algorithm_is_one_configured_name` |
//! | J4 | `crit` | `j4_crit_is_refused_whatever_it_lists` |
//! | J5 | times that are no whole numbers | `j5_fractions_are_cut_off_for_an_issuer_that_writes_them_and_nothing_else_is_taken` `j5_times_are_whole_non_negative_numbers` |
//! | J6 | `nbf` and `iat` ahead, a life that is too long | `j6_times_are_checked_to_the_second` |
//! | J7 | `iss` absent, unknown or nearly right | `j7_a_strangers_token_does_not_pass_where_none_is_needed` `j7_an_entry_without_an_issuer_takes_only_tokens_without_one` `j7_the_issuer_is_compared_exactly` |
//! | J8 | `aud` absent, empty, nested or a number | `j8_a_configured_audience_is_required` `j8_an_audience_that_nobody_configured_is_refused` |
//! | J9 | no claim required: `exp` still is | `j9_an_expiry_is_required_of_the_laxest_issuer_too` |
//! | J10 | one issuer's key for another's token | `j10_a_key_verifies_tokens_of_its_own_issuer_only` |
//! | J11 | keys and URLs that a token brings | `j11_a_token_brings_no_key_of_its_own` |
//! | J12 | dots, parts, padding, other base64, trailing bytes | `j12_each_part_is_canonical_base64url` `j12_other_shapes_are_refused` `j12_size_is_bounded_before_anything_is_read` |
//! | J13 | a compressed token | `j13_a_compressed_or_unencoded_payload_is_refused` |
//! | J14 | deep, duplicate, endless or broken JSON | `j14_only_one_strict_json_object_is_read` |
//! | J15 | signatures in a second form; the vectors of Project Wycheproof | `j15_a_mac_is_compared_in_full` `j15_an_eddsa_signature_has_no_second_form` `j15_an_rsa_signature_fits_its_padding_hash_and_width` `j15_every_signature_of_wycheproof_gets_its_verdict` `j15_signatures_have_the_one_form_of_their_algorithm` |
//! | J16 | subjects that are numbers or blank | `j16_a_number_is_no_text` `j16_a_subject_is_passed_on_as_it_was_signed` `j16_integers_are_exact_or_refused` |
//! | J17 | look-alikes and normal forms | `j17_letters_that_only_look_alike_do_not_meet` |
//! | J18 | a `kid` that is a path, SQL or endless; two keys of one id | `j18_a_key_id_only_looks_a_key_up` `j18_the_key_id_chooses_among_the_keys_of_a_set` `j18_two_usable_keys_never_share_an_id` |
//! | J19 | weak keys, unexpanded placeholders | `j19_a_placeholder_is_no_secret` `j19_a_secret_has_at_least_the_length_of_its_hash` `j19_a_short_secret_is_taken_only_by_name` `j19_an_rsa_key_has_at_least_2048_bits` |
//! | J20 | what errors say | `j20_debug_shows_nothing_of_a_token` `j20_neither_errors_nor_debug_show_a_claim` `j20_neither_errors_nor_debug_show_a_secret` |
//! | K1 | a flood of unknown `kid`s | `k1_a_flood_of_unknown_key_ids_causes_few_fetches_and_disturbs_no_user` `k1_a_flood_of_unknown_keys_is_one_fetch_and_valid_users_wait_for_nothing` `k1_a_token_without_a_key_id_spends_the_budget_too` `k1_an_asked_key_is_remembered_for_thirty_seconds` `k1_one_unknown_key_does_not_spend_the_budget_of_another` `k1_remembered_keys_are_bounded_in_number_and_length` `k1_requests_that_wait_for_an_unknown_key_keep_no_user_waiting` `k1_ten_thousand_unknown_keys_a_second_are_one_fetch_in_ten` `k1_the_budget_is_one_in_ten_seconds_and_saves_nothing_up` `k1_those_who_wait_are_bounded_in_number_and_time` |
//! | K2 | a thousand requests at a cold start | `k2_a_key_that_came_while_its_token_was_judged_needs_no_fetch` `k2_a_thousand_callers_at_cold_start_are_one_fetch` `k2_a_thousand_parallel_requests_at_cold_start_are_one_fetch` `k2_a_thousand_requests_at_the_start_cause_one_fetch` |
//! | K3 | key servers that hang, drip, redirect or send too much | `k3_a_fetch_that_never_ends_is_given_up_and_stops_no_expiry` `k3_a_pause_that_the_server_asks_for_is_reported` `k3_a_redirect_is_not_followed` `k3_a_server_that_asks_for_a_pause_gets_it_from_everybody` `k3_a_set_older_than_its_bound_is_withdrawn` `k3_each_time_limit_holds_alone` `k3_failures_are_followed_by_growing_pauses` `k3_k4_a_session_gets_503_until_there_are_keys_and_nobody_passes` `k3_misbehaving_servers_are_bounded` `k3_retry_after_is_respected_within_a_bound` `k3_sets_that_are_none_are_refused_and_k4_leave_no_keys` `k3_the_last_good_keys_stay_while_their_source_is_down` `k3_the_last_good_set_is_kept_until_its_age_and_comes_back` |
//! | K4 | no keys at all: never a default, never a check less | `k3_k4_a_session_gets_503_until_there_are_keys_and_nobody_passes` `k4_an_issuer_that_publishes_its_keys_starts_with_none` `k4_before_the_first_success_there_are_no_keys` `k4_k6_a_discovery_document_that_leads_elsewhere_is_refused` |
//! | K5 | a key that leaves its set | `k5_a_key_file_that_is_replaced_is_taken_by_a_reload` `k5_a_key_that_leaves_the_set_stops_within_the_refresh_time` `k5_a_reload_that_changes_nothing_of_a_published_key_set_keeps_the_usersigs` `k5_a_rotation_is_seen_by_the_first_token_of_the_new_key` `k5_c4_a_key_that_a_reload_takes_away_counts_as_withdrawn` `k5_c4_a_withdrawn_key_verifies_nothing_and_what_hung_on_it_is_superseded` `k5_c4_the_usersig_of_a_withdrawn_key_is_superseded_within_the_refresh_interval` `k5_c4_what_was_issued_on_the_word_of_a_withdrawn_key_is_superseded` `k5_every_sessions_usersig_is_reconsidered_under_a_cap` `k5_keys_rotate_while_traffic_runs_and_a_withdrawn_key_stops` `k5_nothing_that_hung_on_a_withdrawn_key_is_handed_out` `k5_what_a_session_of_the_withdrawn_key_was_handed_is_superseded_whoever_it_was_issued_for` |
//! | K6 | key URLs that lead inside | `k4_k6_a_discovery_document_that_leads_elsewhere_is_refused` `k6_a_foreign_name_that_leads_inside_is_refused_unless_allowed` `k6_a_name_leads_only_to_addresses_that_the_rule_admits` `k6_a_name_without_an_admitted_address_is_refused_by_its_first_one` `k6_a_remote_issuer_does_not_lead_to_this_machine` `k6_addresses_are_told_apart` `k6_an_address_in_the_url_is_judged_too` `k6_an_address_that_discovery_named_is_judged_at_the_fetch` `k6_every_fetch_judges_what_the_name_leads_to` `k6_no_connection_is_kept_for_another_fetch` `k6_other_urls_than_https_or_http_to_this_machine_are_refused` |
//! | C1 | a token of a lax route on a strict one | `c1_a_user_in_the_cache_is_judged_anew_by_every_route` |
//! | C2 | one token, two issuers or sites | `c2_a_logout_at_one_site_ends_no_session_of_another_that_trusts_the_same_secret` `c2_a_published_key_of_one_site_verifies_nothing_at_another` `c2_a_token_a_key_and_a_user_sig_of_one_site_serve_no_other` `c2_one_subject_of_two_issuers_is_two_users` `c2_sites_that_trust_the_same_secret_share_neither_user_sigs_nor_renewals` `c2_who_is_revoked_at_one_site_is_served_by_another_that_trusts_the_same_secret` |
//! | C3 | tokens that meet in a short hash | `c3_tokens_that_meet_in_a_short_hash_are_told_apart` |
//! | C4 | a cached verdict past its time, a revocation, a reload, a step of the clock | `c4_a_clock_that_is_set_back_renews_what_is_dated_ahead` `c4_a_denial_outlives_the_token_and_the_verifier_s_leeway` `c4_a_known_token_is_refused_once_it_is_logged_out_or_revoked` `c4_a_known_token_still_expires_and_may_not_be_used_before_its_time` `c4_a_remembered_verdict_is_rechecked_against_the_clock` `c4_a_restart_keeps_denials_dates_kicks_and_what_was_enforced_each_at_its_site` `c4_a_successor_judges_every_token_by_its_own_rules` `c4_a_successor_with_other_lives_starts_with_an_empty_cache` `c4_c7_another_key_supersedes_and_old_requests_put_nothing_back` `c4_other_keys_let_every_token_be_verified_anew_and_the_same_keys_none` `c4_whoever_is_on_the_list_is_refused_from_the_reload_on_and_nobody_else` `k5_c4_a_key_that_a_reload_takes_away_counts_as_withdrawn` `k5_c4_a_withdrawn_key_verifies_nothing_and_what_hung_on_it_is_superseded` `k5_c4_the_usersig_of_a_withdrawn_key_is_superseded_within_the_refresh_interval` `k5_c4_what_was_issued_on_the_word_of_a_withdrawn_key_is_superseded` |
//! | C5 | a flood of tokens | `c5_a_flood_of_tokens_stays_within_its_bounds_and_costs_nobody_his_session` `c5_only_the_whole_token_is_known_and_only_if_it_was_good` `c5_the_memory_is_bounded_in_bytes_whatever_tokens_say` `c5_the_number_of_users_is_bounded` |
//! | C6 | answers with a login in a shared cache | `c6_a_path_that_looks_like_a_file_is_kept_by_nobody` `c6_an_answer_with_a_login_is_kept_by_nobody` `c6_an_answer_without_a_login_keeps_the_apps_word` `c6_conditions_reach_the_app_only_where_the_answer_is_not_injected` `c6_parts_and_confirmations_are_not_asked_for` |
//! | C7 | a UserSig that is issued during a kick | `c4_c7_another_key_supersedes_and_old_requests_put_nothing_back` `c7_a_late_issue_never_takes_the_place_of_a_later_generation_or_key` `c7_a_login_answer_during_a_kick_carries_a_user_sig_that_is_later_than_the_kick` `c7_a_login_that_cannot_wait_is_dated_past_a_queued_kick_too` `c7_a_login_that_cannot_wait_is_dated_past_the_kick_and_followed_by_later_dates` `c7_a_login_waits_for_its_own_kick_only_and_no_queued_one_voids_it` `c7_a_raise_is_dated_after_the_clock_of_another_thread` `c7_nothing_issued_before_the_last_raise_is_handed_out` `c7_threads_that_hand_out_while_others_log_out_see_each_raise` |
//! | C8 | another's cookie at a login | `c8_a_login_with_anothers_session_gets_the_new_one_and_nothing_of_the_old` |
//! | P1 | bytes before the `101`, or after a refusal | `p1_a_body_that_comes_after_the_refusal_is_no_request` `p1_a_handshake_with_a_body_is_refused` `p1_bytes_before_the_101_are_never_forwarded_as_they_are` `p1_bytes_before_the_101_are_never_forwarded_as_they_are_over_tls` `p1_what_follows_a_refusal_at_once_is_no_request` |
//! | P2 | framing that two servers read differently | `p2_a_field_line_is_a_token_a_colon_and_a_value` `p2_a_length_beside_a_coding_is_refused_and_either_alone_is_taken` `p2_a_length_is_one_field_of_plain_digits` `p2_a_line_that_ends_in_a_bare_line_feed_is_refused_and_the_connection_closed` `p2_a_request_line_is_three_words_and_nothing_else` `p2_a_request_that_is_malformed_in_http2_is_not_translated` `p2_chunks_are_framed_anew_and_their_heads_are_bounded` `p2_framing_that_two_servers_read_differently_is_refused_and_the_connection_closed` `p2_lines_end_in_crlf_and_a_body_has_one_framing` `p2_what_other_parsers_read_is_what_was_authorized` |
//! | P3 | floods over HTTP/2 | `p3_a_header_list_is_bounded_however_short_it_is_on_the_wire` `p3_a_header_without_end_is_cut_off` `p3_a_rapid_reset_is_cut_off` `p3_many_small_frames_are_cut_off_or_cost_no_memory` `p3_streams_that_are_broken_on_purpose_are_cut_off` `p3_the_number_of_fields_is_bounded_as_over_http1` |
//! | P4 | upgrades and gRPC | `p4_an_upgrade_is_judged_like_any_request` `p4_an_upgrade_over_tls_is_judged_like_any_request` `p4_http2_has_no_way_around_the_checks` |
//! | P5 | `Expect`, early answers, 1xx, trailers | `p5_a_trailer_is_no_header_of_ours` `p5_an_answer_before_the_end_of_a_body_leaves_nothing_behind` `p5_an_expectation_is_the_apps_to_answer` `p5_an_informational_answer_before_the_login_carries_nothing` `p5_an_informational_answer_carries_no_login` `p5_trailers_bring_nothing_of_our_names` `p5_trailers_of_a_request_end_here_and_those_of_an_answer_go_on` |
//! | P6 | answers in every coding, framing and size | `p6_a_body_in_any_chunks_is_whole_at_its_end_only` `p6_a_body_over_the_limit_is_held_no_longer` `p6_a_body_over_the_limit_passes_as_it_is` `p6_a_body_that_takes_no_member_is_sent_byte_for_byte` `p6_a_gzip_bomb_is_stopped_before_it_fills_the_memory` `p6_a_login_answer_with_trailers_takes_the_login` `p6_a_length_that_is_too_short_or_too_long_gives_no_login` `p6_a_long_gzip_body_is_decoded_to_its_end` `p6_a_member_is_never_overwritten` `p6_a_text_that_is_not_one_strict_object_is_refused` `p6_an_answer_that_is_cut_after_its_header_was_read_has_no_end` `p6_an_answer_that_is_cut_has_no_end` `p6_an_answer_without_a_body_of_its_own_is_untouched` `p6_an_app_that_answers_nothing_or_nonsense_is_a_502` `p6_an_http_1_0_client_gets_nothing_of_a_cut_answer` `p6_an_http_1_0_client_reads_to_the_end` `p6_answers_that_cannot_take_a_member_stay_untouched` `p6_answers_with_plain_or_gzip_json_are_taken` `p6_events_are_neither_held_nor_changed` `p6_every_framing_takes_the_login` `p6_every_other_byte_stays_as_it_was` `p6_gzip_is_decoded_and_sent_plain` `p6_gzip_that_is_damaged_is_never_sent_as_whole` `p6_gzip_without_a_plain_text_is_never_sent_as_whole` `p6_head_is_answered_without_a_body_and_untouched` `p6_http2_a_cut_answer_resets_its_stream` `p6_http2_logins_of_one_connection_keep_their_users_apart` `p6_http2_takes_the_login` `p6_numbers_order_spaces_and_escapes_stay_as_the_app_wrote_them` `p6_other_codings_are_untouched` `p6_what_is_not_called_json_is_untouched` |
//! | A1 | our parameters in the client's query | `a1_a_call_is_built_anew_and_brings_nothing_of_the_client_but_its_body` `a1_no_spelling_of_our_parameters_comes_through` |
//! | A2 | a body that names another account | `a2_an_absent_account_is_set_and_every_other_byte_stays` `a2_nobody_acts_in_another_name_and_what_is_refused_does_not_reach_chat` `a2_the_caller_acts_as_nobody_else` `a2_what_is_admitted_acts_as_the_caller_for_every_reader` `a2_whoever_may_act_for_others_names_them_and_never_an_administrator` |
//! | A3 | HTTP 200 with an error code | `a3_an_answer_is_a_success_by_its_body_alone` `a3_only_what_may_be_repeated_is_and_failures_with_status_200_count_as_such` |
//! | A4 | the admin's UserSig expired, refused, near its end | `a4_an_expired_or_voided_signature_is_made_anew_once` `a4_codes_say_what_to_do` `a4_the_administrators_usersig_is_renewed_ahead_and_when_chat_refuses_it` |
//! | A5 | redirects and pages that echo the call | `a5_a_credential_is_found_in_every_spelling` `a5_an_answer_that_holds_a_credential_is_not_passed_on` `a5_what_is_not_the_apis_answer_or_echoes_the_call_is_not_passed_on` |
//! | A6 | a kick that did not land | `a6_a_kick_is_tried_again_until_error_code_0_and_its_credential_goes_to_chat_only` `a6_a_kick_that_lands_within_the_same_second_leaves_one_second` `a6_a_later_generation_gets_a_usersig_dated_after_the_kick_also_in_the_same_second` `a6_only_error_code_0_with_status_200_is_a_kick_that_landed` `a6_the_next_date_is_after_the_logout_and_after_the_kick` |
//! | A7 | a user called like an administrator | `a7_names_of_administrators_and_names_that_chat_does_not_know_are_refused` `a7_no_subject_becomes_an_administrator` `a7_who_registers_as_administrator_gets_no_usersig` |
//! | A8 | a failed login that answers 200 | `a8_a_login_that_fails_with_200_issues_nothing` |
//! | O1 | health and metrics on the public listener | `o1_ops_paths_are_the_apps_on_the_public_listener` `o1_u9_what_is_not_written_opens_nothing` |
//! | O2 | configurations that are wrong or half-written at a reload | `o2_a_bad_file_changes_nothing_and_is_reported_until_it_is_mended` `o2_a_file_that_stays_half_written_is_refused_and_the_whole_one_is_taken` `o2_a_refusal_ends_when_the_files_are_again_those_in_force` `o2_a_refusal_is_over_when_the_files_are_those_in_force_again` `o2_a_refused_attempt_is_not_made_again_until_something_changes` `o2_a_refused_reload_is_not_made_again_while_nothing_changes` `o2_an_empty_file_names_every_section_that_is_required` `o2_trusted_proxies_wait_for_a_restart_and_that_is_said` |
//! | O3 | secret files with BOM, CRLF, nothing, open modes; swapped by a link | `o3_a_file_that_others_can_open_is_a_warning_or_an_error` `o3_a_private_key_that_others_can_open_is_warned_about_or_refused` `o3_a_secret_that_is_not_one_is_refused_without_being_shown` `o3_a_secret_that_is_swapped_by_a_link_is_read_again` `o3_every_way_to_change_a_file_shows` `o3_one_line_end_is_cut_off_and_more_is_reported` `o3_secrets_and_keys_are_read_again_when_their_files_change` |
//! | O4 | secrets in the output at trace level | `o4_a_credential_in_a_path_is_not_logged` `o4_a_credential_in_a_path_is_not_printed` `o4_a_request_that_cannot_be_read_is_not_printed` `o4_no_credential_leaves_in_front_of_a_hostile_chat` `o4_no_credential_leaves_in_front_of_the_sandbox` |
//! | O5 | signals under load | `o5_after_the_drain_delay_the_process_ends_by_itself` `o5_an_upgrade_under_load_fails_no_request` `o5_readiness_fails_while_requests_are_still_taken` `o5_reloads_under_load_fail_no_request_and_each_is_judged_by_one_configuration` `o5_sigint_ends_the_process_at_once` `o5_sigquit_ends_the_process_as_sigterm_does` `o5_sigterm_ends_the_process_within_the_grace_whatever_runs` `o5_sigterm_lets_a_running_request_finish` `o5_sigterm_lets_a_running_request_finish_behind_a_header_and_tls` |
//! | O6 | example keys | `o6_example_keys_are_refused_unless_it_is_a_demo` `o6_example_keys_come_into_force_only_with_a_restart` `o6_no_key_that_is_shipped_is_accepted_at_the_start` `o6_the_demo_key_pair_is_refused_in_every_form` |

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// How many cases each field has.
const FIELDS: [(char, usize); 8] = [
    ('H', 13),
    ('U', 9),
    ('J', 20),
    ('K', 6),
    ('C', 8),
    ('P', 6),
    ('A', 8),
    ('O', 6),
];

/// Test names by the id of the case.
type Tests = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_case_stands_in_the_table_once_with_a_title_and_its_tests() {
    let rows = rows(include_str!("bad_inputs.rs"));
    let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
    assert_eq!(ids, all_ids());
    for row in rows {
        assert!(!row.title.is_empty() && !row.tests.is_empty(), "{}", row.id);
    }
}

#[test]
fn the_table_names_every_test_of_a_case_and_only_tests_that_exist() {
    let rows = rows(include_str!("bad_inputs.rs")).into_iter();
    let listed: Tests = rows.map(|row| (row.id, row.tests)).collect();
    let there = tests_of_cases(&test_names());
    for id in all_ids() {
        let names = there.get(&id).cloned().unwrap_or_default();
        let row: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        // What to write, if they differ.
        assert_eq!(listed[&id], names, "{id}: {}", row.join(" "));
    }
}

#[test]
fn a_gap_in_the_table_shows() {
    let there = tests_of_cases(&[
        "h1_x".to_owned(),
        "k5_c4_y".to_owned(),
        "h14_z".to_owned(),
        "p256_key".to_owned(),
        "a_test_of_h2_is_none".to_owned(),
    ]);
    let ids: Vec<_> = there.keys().map(String::as_str).collect();
    assert_eq!(ids, ["C4", "H1", "K5"]);
    let [row] =
        &rows("//! | H1 | a | b | `h1_x` `h1_y` |\n//! | --- |\n// | H2 | a | `h2_x` |")[..]
    else {
        panic!("one row")
    };
    assert_eq!((row.id.as_str(), row.title.as_str()), ("H1", "a | b"));
    assert_eq!(
        row.tests,
        BTreeSet::from(["h1_x", "h1_y"].map(str::to_owned))
    );
    let source = "#[test]\nfn one() {\n#[tokio::test(start_paused)]\n#[rustfmt::skip]\nasync fn two() {\nfn helper() {";
    assert_eq!(names_in(source), ["one", "two"]);
}

/// A row of the table.
struct Row {
    id: String,
    title: String,
    tests: BTreeSet<String>,
}

fn rows(text: &str) -> Vec<Row> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("//! | "));
    let rows = lines.filter_map(|line| {
        let (id, rest) = line.strip_suffix(" |")?.split_once(" | ")?;
        let (title, tests) = rest.rsplit_once(" | ")?;
        let is_id = |id: &str| id.len() < 4 && id.ends_with(|letter: char| letter.is_ascii_digit());
        is_id(id).then(|| Row {
            id: id.to_owned(),
            title: title.to_owned(),
            tests: tests
                .split(' ')
                .map(|name| name.trim_matches('`').to_owned())
                .collect(),
        })
    });
    rows.collect()
}

fn all_ids() -> Vec<String> {
    let of_field = |(letter, count)| (1..=count).map(move |number| format!("{letter}{number}"));
    FIELDS.into_iter().flat_map(of_field).collect()
}

/// The tests whose names begin with ids.
fn tests_of_cases(names: &[String]) -> Tests {
    let all: BTreeSet<_> = all_ids().into_iter().collect();
    let mut tests = Tests::new();
    for name in names {
        let words = name.split('_').map(str::to_ascii_uppercase);
        for id in words.take_while(|word| all.contains(word)) {
            tests.entry(id).or_default().insert(name.clone());
        }
    }
    tests
}

/// The names of all tests of the package.
fn test_names() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src"), root.join("tests/it")];
    let mut names = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                names.extend(names_in(&fs::read_to_string(path).unwrap()));
            }
        }
    }
    names
}

/// The names of the functions that stand below a test's attribute.
fn names_in(source: &str) -> Vec<String> {
    let (mut names, mut is_test) = (Vec::new(), false);
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if !line.starts_with("#[") {
            let name = line.trim_start_matches("async ").strip_prefix("fn ");
            let name = name
                .filter(|_| is_test)
                .and_then(|rest| rest.split('(').next());
            names.extend(name.map(str::to_owned));
            is_test = false;
        }
    }
    names
}
