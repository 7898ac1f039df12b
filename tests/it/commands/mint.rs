//! `mint`: UserSigs for the users that are named, and for no administrator.

use usersig_proxy::usersig::decode::Decoded;

use super::{Folder, QUICKSTART};
use crate::support::program::{Finished, finish, finish_with_input, program};

#[test]
fn one_user_gets_the_usersig_alone() {
    let minted = mint(&["--user", "27149"]);
    assert_eq!((minted.code, minted.stderr.as_str()), (Some(0), ""));
    assert_is_for("27149", minted.stdout.strip_suffix('\n').unwrap());
}

#[test]
fn several_users_get_a_line_each_from_arguments_a_file_and_standard_input() {
    let folder = Folder::new();
    let names = folder.file("names.txt", "c\n\n  d  \r\n");
    let from_arguments = mint(&["-u", "a", "-u", "b"]);
    let from_file = mint(&["--users", &names]);
    let from_both = mint(&["-u", "a", "--users", &names]);
    let from_stdin = finish_with_input(
        &mut program(["mint", "-c", QUICKSTART, "--users", "-"]),
        "e\nf\n",
    );
    for (minted, users) in [
        (from_arguments, &["a", "b"][..]),
        (from_file, &["c", "d"]),
        (from_both, &["a", "c", "d"]),
        (from_stdin, &["e", "f"]),
    ] {
        assert_eq!((minted.code, minted.stderr.as_str()), (Some(0), ""));
        let lines = minted
            .stdout
            .lines()
            .map(|line| line.split_once('\t').unwrap());
        let (found, sigs): (Vec<_>, Vec<_>) = lines.unzip();
        assert_eq!(found, users);
        users
            .iter()
            .zip(sigs)
            .for_each(|(user, sig)| assert_is_for(user, sig));
    }
}

#[test]
fn json_has_the_members_of_the_endpoint() {
    let minted = mint(&["-u", "27149", "--format", "json"]);
    let line: serde_json::Value = serde_json::from_str(&minted.stdout).unwrap();
    assert!(
        minted
            .stdout
            .starts_with(r#"{"sdkAppId":1400000000,"userId":"27149","userSig":""#),
        "{minted:?}"
    );
    assert_is_for("27149", line["userSig"].as_str().unwrap());
    let expires_at = Decoded::parse(line["userSig"].as_str().unwrap())
        .unwrap()
        .expires_at();
    assert_eq!(line["expiresAt"], expires_at.as_secs());
}

#[test]
fn a7_names_of_administrators_and_names_that_chat_does_not_know_are_refused() {
    let too_long = "a".repeat(33);
    let longest = "a".repeat(32);
    for (case, name, reason) in [
        (
            "administrator",
            "administrator",
            Some("reserved for an administrator"),
        ),
        (
            "in capitals",
            "ADMINISTRATOR",
            Some("reserved for an administrator"),
        ),
        (
            "in mixed case",
            "Administrator",
            Some("reserved for an administrator"),
        ),
        ("no administrator", "administrator2", None),
        ("empty", "", Some("at least one character")),
        ("too long", &too_long, Some("at most 32 characters")),
        ("longest", &longest, None),
        ("space", "a b", Some("only the letters")),
        ("e-mail", "ann@example.com", Some("only the letters")),
        ("outside ASCII", "ännchen", Some("only the letters")),
        ("line break", "a\nTLS.sdkappid:1", Some("only the letters")),
        (
            "UUID",
            "0190b1c2-7b5e-7c3a-9d4e-0123456789ab",
            Some("remove_dashes"),
        ),
    ] {
        let minted = mint(&["--user", name]);
        match reason {
            None => assert_eq!(
                (minted.code, minted.stderr.as_str()),
                (Some(0), ""),
                "{case}"
            ),
            Some(reason) => {
                assert_eq!(
                    (minted.code, minted.stdout.as_str()),
                    (Some(1), ""),
                    "{case}"
                );
                assert!(minted.stderr.contains(reason), "{case}: {}", minted.stderr);
                assert_eq!(
                    minted.stderr.lines().count(),
                    1,
                    "{case}: {}",
                    minted.stderr
                );
            }
        }
    }
}

#[test]
fn of_a_list_every_good_line_is_printed_and_every_bad_one_is_named() {
    let long = "a".repeat(100_000);
    let list = [
        "27149",
        "Administrator",
        "",
        "a b",
        &long,
        "  27150\r",
        "27151",
    ];
    let folder = Folder::new();
    let file = folder.file("names.txt", &list.join("\n"));
    for (name, minted) in [
        (file.as_str(), mint(&["--users", &file])),
        (
            "standard input",
            finish_with_input(
                &mut program(["mint", "-c", QUICKSTART, "--users", "-"]),
                &list.join("\n"),
            ),
        ),
    ] {
        let users: Vec<_> = minted
            .stdout
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .collect();
        let names: Vec<_> = users.iter().map(|(user, _)| *user).collect();
        assert_eq!(names, ["27149", "27150", "27151"], "{minted:?}");
        users
            .iter()
            .for_each(|(user, sig)| assert_is_for(user, sig));
        let said: Vec<_> = minted.stderr.lines().collect();
        let [admin, blank, too_long, sum] = said.as_slice() else {
            panic!("{said:?}");
        };
        assert!(admin.starts_with(&format!("{name}:2: ")), "{admin}");
        assert!(admin.contains("reserved for an administrator"), "{admin}");
        assert!(blank.starts_with(&format!("{name}:4: ")), "{blank}");
        assert!(too_long.starts_with(&format!("{name}:5: ")), "{too_long}");
        assert!(too_long.len() < 2000, "a long line is repeated");
        assert_eq!(*sum, format!("{name}: 3 lines without a UserSig"));
        assert_eq!(minted.code, Some(1));
    }
}

#[test]
fn a_line_that_is_no_text_is_bad_like_any_other() {
    let folder = Folder::new();
    let file = folder.0.path().join("names.txt");
    std::fs::write(&file, b"27149\n\xff\xfe\n27150\n").unwrap();
    let file = file.to_str().unwrap();
    let minted = mint(&["--users", file]);
    assert_eq!(
        (minted.code, minted.stdout.lines().count()),
        (Some(1), 2),
        "{minted:?}"
    );
    let expected = format!("{file}:2: is not UTF-8\n{file}: 1 line without a UserSig\n");
    assert_eq!(minted.stderr, expected);
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    for arguments in [
        &["-c", QUICKSTART, "--users", "no-such-file"][..],
        &["-c", "no-such-file", "-u", "1"],
    ] {
        let minted = finish(program(["mint"]).args(arguments));
        assert_eq!((minted.code, minted.stdout.as_str()), (Some(2), ""));
        assert!(minted.stderr.contains("no-such-file"), "{minted:?}");
    }
}

fn mint(arguments: &[&str]) -> Finished {
    finish(program(["mint", "--config", QUICKSTART]).args(arguments))
}

fn assert_is_for(user: &str, sig: &str) {
    let decoded = Decoded::parse(sig).unwrap();
    assert_eq!(
        (decoded.identifier.as_str(), decoded.sdk_app_id),
        (user, 1_400_000_000)
    );
    assert_eq!(decoded.expire, 7 * 86_400);
}
