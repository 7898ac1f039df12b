use super::*;

const DIGEST: &str = "f00dfeedf00dfeedf00dfeedf00dfeedf00dfeedf00dfeedf00dfeedf00dfeed";

fn with_list(file: &str) -> String {
    let session = format!("[session]\nrevoked = {file:?}\n[[session.issuer]]");
    base_with("[[session.issuer]]", &session)
}

#[test]
fn a_list_is_read_with_the_configuration_and_watched() {
    let mut world = World::new();
    world.env.insert("PATH", String::new());
    let lines =
        format!("# why\n\ntoken {DIGEST}\njti app j1\nuser app 42\r\nuser app 43 before 9\n");
    let list = world.file("revoked.txt", lines);
    let text = with_list("revoked.txt").replace("admin =", "region = \"china\"\nadmin =");
    let config = world.good(&text);
    assert_eq!(config.warnings, []);
    assert_eq!(config.sites[0].revoked.len(), 4);
    assert!(world.good(BASE).sites[0].revoked.is_empty());

    let path = world.file("config.toml", &text);
    let (_, watched) = load_watched(&path, &|name| world.env.get(name).cloned());
    let before = watched.as_read();
    assert_eq!(watched.as_it_is(), before);
    fs::write(list, "user app 44 before 17\n").unwrap();
    assert_ne!(watched.as_it_is(), before);
}

#[test]
fn every_bad_line_is_reported_with_its_number_and_no_content() {
    let world = World::new();
    let lines = "user app 42\nuser oap 42\ntoken secret-token\nbann app 42\njti app\nuser app a@b\n\
                 user app 42 after 9\n";
    world.file(
        "revoked.txt",
        [lines.as_bytes(), b"user app \xff\nuser app 2714"].concat(),
    );
    let errors = world.errors(&with_list("revoked.txt"));
    let expected = [
        (2, "needs the name of a configured issuer"),
        (
            3,
            "needs 64 hexadecimal digits: the SHA-256 of the token without its last dot and signature",
        ),
        (4, "must start with \"token\", \"jti\" or \"user\""),
        (5, "needs a jti after the issuer"),
        (
            6,
            "needs a UserID after the issuer, as it is after the mapping",
        ),
        (
            7,
            "may go on with \"before\" and a time in Unix seconds, and nothing else",
        ),
        (8, "is not UTF-8"),
        (
            9,
            "has no line end: the list may have been read before it was written to its end",
        ),
    ];
    let expected = expected.map(|(line, problem)| {
        format!("9:11: session.revoked: line {line} of the file revoked.txt {problem}")
    });
    assert_eq!(errors, expected);
}

#[test]
fn a_list_that_cannot_be_read_is_an_error_and_an_issuer_with_an_error_hides_no_other() {
    let world = World::new();
    let errors = world.errors(&with_list("absent.txt"));
    assert_eq!(
        errors,
        [
            "9:11: session.revoked: the file absent.txt cannot be read: No such file or directory (os error 2) \
          (a path is relative to the folder of this file)"
        ]
    );
    world.file("revoked.txt", "user app 42\n");
    let text = with_list("revoked.txt").replacen("name = \"app\"\nalgorithms", "algorithms", 1);
    let errors = world.errors(&text);
    assert_eq!(
        errors,
        ["10:1: session.issuer[1].name: is required (name = \"app\")"]
    );
}

#[test]
fn revoked_users_without_the_address_of_chat_are_warned_about_and_single_tokens_are_not() {
    let world = World::new();
    world.file("revoked.txt", "user app 42\n");
    let warning = "9:11: session.revoked: a revoked user stays logged in to Chat until the UserSig ends: nothing says \
                   where Chat is (chat.region = \"china\", or another in which the application is)";
    assert_eq!(world.warnings(&with_list("revoked.txt")), [warning]);
    world.file("revoked.txt", format!("token {DIGEST}\n"));
    assert_eq!(
        world.warnings(&with_list("revoked.txt")),
        Vec::<String>::new()
    );
}

#[test]
fn an_empty_list_is_warned_about_and_one_that_says_so_is_not() {
    let world = World::new();
    world.file("revoked.txt", "");
    let warning = "9:11: session.revoked: the file revoked.txt is empty: nothing is revoked \
                   (a comment in it says that this is meant)";
    assert_eq!(world.warnings(&with_list("revoked.txt")), [warning]);
    world.file("revoked.txt", "# nobody\n");
    assert_eq!(
        world.warnings(&with_list("revoked.txt")),
        Vec::<String>::new()
    );
}
