//! The commands for AWS, where nothing says which account or region is meant.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::support::fixture::settings;

/// What a command says, and its exit code, in an environment of these variables alone.
fn run(folder: &tempfile::TempDir, args: &[&str], set: &[(&str, &str)]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_autopilot-export"));
    command.current_dir(folder.path()).args(args).args(["--store", "s3://nowhere"]).stdin(Stdio::null());
    command.env_clear().env("HOME", folder.path()).env("AWS_EC2_METADATA_DISABLED", "true").envs(set.iter().copied());
    let output = command.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn no_region_or_no_credentials_is_exit_2_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("exports.json"), settings("http://127.0.0.1:9/v1").to_string()).unwrap();
    for args in [&["runs"][..], &["connect", "eu"], &["start", "newsletter", "--workflow", "arn:aws:states:::x"]] {
        for (set, problem, remedy) in [
            (&[][..], "no region is set", "AWS_REGION"),
            (&[("AWS_REGION", "eu-central-1")], "no credentials were found", "AWS_PROFILE"),
            (&[("AWS_PROFILE", "unknown"), ("AWS_REGION", "eu-central-1")], "no credentials were found", "AWS_PROFILE"),
        ] {
            let (code, err) = run(&folder, args, set);
            assert_eq!((code, err.lines().count()), (2, 1), "{args:?}: {err}");
            assert!(err.contains(problem) && err.contains(remedy), "{args:?}: {err}");
        }
    }
}

/// The first request that reaches a server, as text; it is refused.
fn first_request(server: &TcpListener) -> String {
    let (mut connection, _) = server.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    connection.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    String::from_utf8(request).unwrap()
}

#[test]
fn profiles_that_log_in_or_ask_a_process_are_used() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("exports.json"), settings("http://127.0.0.1:9/v1").to_string()).unwrap();
    let cache = folder.path().join(".aws/login/cache");
    std::fs::create_dir_all(&cache).unwrap();
    let session = "arn:aws:iam::012345678901:user/somebody";
    let process = r#"echo '{"Version":1,"AccessKeyId":"AKIAOFTHEPROCESS","SecretAccessKey":"s"}'"#;
    let profiles =
        format!("[profile login]\nlogin_session = {session}\n[profile process]\ncredential_process = {process}\n");
    std::fs::write(folder.path().join(".aws/config"), profiles).unwrap();
    let digest: String = Sha256::digest(session).iter().map(|byte| format!("{byte:02x}")).collect();
    // As `aws login` leaves it. The key is aws-config's own example.
    let token = serde_json::json!({
        "accessToken": {
            "accessKeyId": "AKIAOFTHELOGIN", "secretAccessKey": "s", "sessionToken": "session-of-the-login",
            "accountId": "012345678901", "expiresAt": "2199-12-25T21:30:00Z",
        },
        "tokenType": "aws_sigv4", "refreshToken": "r", "identityToken": "i", "clientId": "aws:signin:::cli/same-device",
        "dpopKey": "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIFDZHUzOG1Pzq+6F0mjMlOSp1syN9LRPBuHMoCFXTcXhoAoGCCqGSM49\n\
            AwEHoUQDQgAE9qhj+KtcdHj1kVgwxWWWw++tqoh7H7UHs7oXh8jBbgF47rrYGC+t\n\
            djiIaHK3dBvvdE7MGj5HsepzLm3Kj91bqA==\n-----END EC PRIVATE KEY-----\n",
    });
    std::fs::write(cache.join(format!("{digest}.json")), token.to_string()).unwrap();
    for (profile, key) in [("login", "AKIAOFTHELOGIN"), ("process", "AKIAOFTHEPROCESS")] {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", server.local_addr().unwrap());
        let asked = std::thread::spawn(move || first_request(&server));
        let set = [("AWS_PROFILE", profile), ("AWS_REGION", "eu-central-1"), ("AWS_ENDPOINT_URL", &endpoint)];
        let (code, err) = run(&folder, &["runs"], &set);
        assert_eq!(code, 3, "{profile}: {err}");
        let request = asked.join().unwrap();
        assert!(request.contains(&format!("Credential={key}/")), "{profile}: {request}");
        assert_eq!(request.contains("session-of-the-login"), profile == "login", "{request}");
    }
}
