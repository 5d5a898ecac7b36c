//! The forms in which programs write a secret, one line each: what goes in, and what must come out.

use logwarden::redact::{PseudonymKey, Redactor};

fn check(cases: &[(&str, &str)]) {
    let redactor = Redactor::new(PseudonymKey::new(0, b"k"));
    let tags = regex::Regex::new(":[0-9a-z]{14}]").unwrap();
    let mut wrong = String::new();
    for (line, want) in cases {
        let once = redactor.worker().redact_line(line.as_bytes());
        let twice = redactor.worker().redact_line(&once);
        let got = tags.replace_all(&String::from_utf8_lossy(&once), "]").into_owned();
        if got != *want || once != twice {
            let again = if once == twice { "" } else { " (and not at rest)" };
            wrong += &format!(
                "\n  {}\n  is  {}{again}\n  not {}",
                line.escape_debug(),
                got.escape_debug(),
                want.escape_debug()
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A private key as it is written over lines, each behind what `prefix` gives for it.
fn key_lines(prefix: impl Fn(usize) -> String, suffix: &str) -> (String, String) {
    const LINES: [&str; 6] = [
        "-----BEGIN RSA PRIVATE KEY-----",
        "MIIEowIBAAKCAQEAy8Dbv8prpJ/0kKhlGeJYozo2t60EG8L0561g13R29LvMR5hy",
        "vGZlGJpmn65+A4xHXInJYiPuKzrKUnApeLZ+vw1HocOAZtWK0z3r26uA8kQYOKX9",
        "Qt/DbCdvsF9wF8gRK0ptx9M6R13NvBxvVQApfc9jB9nTzphOgM4JiEYvlV8FLhg9",
        "yZovMYd6Wwf3aoXK891VQxTr",
        "-----END RSA PRIVATE KEY-----",
    ];
    let all = |line: fn(&str) -> &str| {
        LINES.iter().enumerate().map(|(n, l)| format!("{}{}{suffix}\n", prefix(n), line(l))).collect::<String>()
    };
    (all(|l| l), all(|_| "[PRIVATE_KEY]"))
}

#[test]
fn secrets_in_colours() {
    check(&[
        ("\x1b[33mghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8\x1b[0m x", "\x1b[33m[GITHUB_TOKEN]\x1b[0m x"),
        (
            "\x1b[36mpassword=\x1b[0mhunter2 \x1b[36muser=\x1b[0mx",
            "\x1b[36mpassword=\x1b[0m[PASSWORD] \x1b[36muser=\x1b[0mx",
        ),
        ("\x1b[1;32malice@example.com\x1b[0m ok", "\x1b[1;32m[EMAIL]\x1b[0m ok"),
        (
            r#"{"log":"\u001b[36mpassword=\u001b[0mhunter2\n","n":1}"#,
            r#"{"log":"\u001b[36mpassword=\u001b[0m[PASSWORD]\n","n":1}"#,
        ),
        (r#"{"log":"\u001b[32malice@example.com\u001b[0m"}"#, r#"{"log":"\u001b[32m[EMAIL]\u001b[0m"}"#),
        ("\x1b[32m{\"password\":\x1b[0m\"hunter2\"}", "\x1b[32m{\"password\":\x1b[0m\"[PASSWORD]\"}"),
        ("pass\x1b[1mword\x1b[0m=hun\x1b[4mter2 x", "pass\x1b[1mword\x1b[0m=[PASSWORD] x"),
        ("#033[33mghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8#033[0m", "#033[33m[GITHUB_TOKEN]#033[0m"),
        ("^[[36mpassword^[[0m=hunter2", "^[[36mpassword^[[0m=[PASSWORD]"),
        ("token: \x1b(B\x1b[ma1B2c3D4e5F6g7H8\x1b[0m", "token: \x1b(B\x1b[m[TOKEN]\x1b[0m"),
    ]);
}

#[test]
fn authorization_with_parameters() {
    check(&[
        (
            r#"Authorization: Digest username="Mufasa", realm="r", nonce="dcd98b7102dd", response="6629fae49393a053""#,
            "Authorization: Digest [AUTHORIZATION]",
        ),
        (
            r#"Authorization: Hawk id="dh37fgj492je", ts="1353832234", mac="6R4rV5iE+NPoym+WwjeHzjAGXUtLNIxmo1vpMofpLAE=""#,
            "Authorization: Hawk [AUTHORIZATION]",
        ),
        (r#"Authorization: Token token="abc-def", nonce="def""#, "Authorization: Token [AUTHORIZATION]"),
        (
            r#"-H "Authorization: Basic Ym9iOmh1bnRlcjI=" -d '{"user":"x"}'"#,
            r#"-H "Authorization: Basic [BASIC_AUTH]" -d '{"user":"x"}'"#,
        ),
        (r#"authorization: Digest realm="y" user=bob"#, "authorization: Digest [AUTHORIZATION]"),
    ]);
}

#[test]
fn connection_strings() {
    check(&[
        ("dsn=root:s3cr3t@tcp(127.0.0.1:3306)/app", "dsn=root:[PASSWORD]@tcp(127.0.0.1:3306)/app"),
        (
            "EnvVar{Value:$(MYSQL_USER):$(MYSQL_PASSWORD)@tcp(db:3306)/x,}",
            "EnvVar{Value:$(MYSQL_USER):$(MYSQL_PASSWORD)@tcp(db:3306)/x,}",
        ),
        ("open root:s3cr3t@unix(/tmp/mysql.sock)/app", "open root:[PASSWORD]@unix(/tmp/mysql.sock)/app"),
        (
            "Server=db;User Id=sa;Password=My P@ss w0rd;Encrypt=true",
            "Server=db;User Id=sa;Password=[PASSWORD];Encrypt=true",
        ),
        ("Driver=x;Uid=sa;Pwd={a;b}c};Database=d", "Driver=x;Uid=sa;Pwd={[PASSWORD]};Database=d"),
        (
            "jdbc:sqlserver://h:1433;databaseName=x;user=sa;password=P@ss;x=1",
            "jdbc:sqlserver://h:1433;databaseName=x;user=sa;password=[PASSWORD];x=1",
        ),
    ]);
}

#[test]
fn names_and_values_of_all_kinds() {
    check(&[
        ("contraseña=hunter2 x", "contraseña=[PASSWORD] x"),
        ("{\"contraseña\":\"hunter2\"}", "{\"contraseña\":\"[PASSWORD]\"}"),
        ("пароль: Hunter2x y", "пароль: [PASSWORD] y"),
        ("{\"密码\":\"hunter2\"}", "{\"密码\":\"[PASSWORD]\"}"),
        ("用户密码=hunter2", "用户密码=[PASSWORD]"),
        ("<password encrypted=\"no\">hunter2</password>", "<password encrypted=\"no\">[PASSWORD]</password>"),
        ("&quot;password&quot;:&quot;hunter2&quot;", "&quot;password&quot;:&quot;[PASSWORD]&quot;"),
        ("password=it's-x y", "password=[PASSWORD] y"),
        ("password: it's-x y", "password: [PASSWORD] y"),
        ("[\"password\"]=> string(7) \"hunter2\"", "[\"password\"]=> string(7) \"[PASSWORD]\""),
        ("set-cookie: [ 'sid=s3cr3t; Path=/', 'b=c2' ]", "set-cookie: [ '[COOKIE]', '[COOKIE]' ]"),
        ("java -Dpassword=hunter2 -Dx=1", "java -Dpassword=[PASSWORD] -Dx=1"),
        (
            "map[Authorization:[Bearer abc123def456ghi789] Host:[h]]",
            "map[Authorization:[Bearer [BEARER_TOKEN]] Host:[h]]",
        ),
        ("PWD=hunter2", "PWD=[PASSWORD]"),
        ("CONFIG SET requirepass hunter2", "CONFIG SET requirepass [PASSWORD]"),
        ("C: AUTH PLAIN AGJvYgBodW50ZXIy", "C: AUTH PLAIN [PASSWORD]"),
        (
            "#0 db.php(9): PDO->__construct('mysql:host=db;dbname=app', 'root', 'hunter2', Array)",
            "#0 db.php(9): PDO->__construct('mysql:host=db;dbname=app', 'root', '[PASSWORD]', Array)",
        ),
        (
            "#0 db.php(9): mysqli->__construct('db', 'root', 'hunter2')",
            "#0 db.php(9): mysqli->__construct('db', 'root', '[PASSWORD]')",
        ),
        ("mysql -uroot -phunter2 app", "mysql -uroot -p[PASSWORD] app"),
        ("sshpass -p hunter2 ssh app@db1", "sshpass -p [PASSWORD] ssh app@db1"),
        ("docker login -u bob -p hunter2 r.example", "docker login -u bob -p [PASSWORD] r.example"),
        (
            "ldapsearch -x -D cn=admin,dc=example -w hunter2 -b dc=example",
            "ldapsearch -x -D cn=admin,dc=example -w [PASSWORD] -b dc=example",
        ),
        ("curl -ubob:hunter2 http://a.example", "curl -u[BASIC_AUTH] http://a.example"),
    ]);
}

#[test]
fn keys_over_lines() {
    let stamp = |n: usize| format!("2026-05-01T12:00:{n:02}.{:03}Z stderr F ", n * 37);
    for (text, want) in [
        key_lines(|_| String::new(), ""),
        key_lines(stamp, ""),
        key_lines(|n| format!("May  1 12:00:0{n} host app[{}]: ", 900 + n * 50), ""),
        key_lines(|_| "{\"log\":\"".to_owned(), "\\n\",\"stream\":\"stderr\"}"),
        key_lines(|n| format!("level=error n={n} msg=\""), "\""),
    ] {
        check(&[(&text, &want)]);
        let line = "2026-05-01T12:00:01Z stdout F GET /v1/models 200 done\n";
        let between = |text: &str| text.split_inclusive('\n').flat_map(|l| [l, line]).collect::<String>();
        check(&[(&between(&text), &between(&want))]);
    }
}

#[test]
fn what_is_no_secret_stays() {
    let same = [
        "s3_key=reports/2026/05/a1b2c3d4.pdf",
        "tests: pass=33 fail=0",
        "{\"full_name\":\"octo-org/octo-repo\"}",
        "password=${DB_PASSWORD} x",
        "sudo: bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/usr/bin/id",
        "WHERE \"users\".\"reset_password_token\" = $1 LIMIT $2",
        "Authorization: Bearer",
    ];
    check(&same.map(|line| (line, line)));
    let after = "GET /a/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\nAll is WELL\ndone\nDONE\n";
    let told = |begin: &str| format!("see {begin}: for example\n{after}");
    check(&[(&told("-----BEGIN PRIVATE KEY----- (manual)"), &told("[PRIVATE_KEY] (manual)"))]);
}
