//! Leases as objects.

use crate::ports::Leases;

use super::*;

/// Some moment, by S3's clock.
const NOW: i64 = 1_795_500_000;

fn date(seconds: i64) -> String {
    let at = jiff::Timestamp::from_second(seconds).unwrap();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// An object that was written `age` seconds before the response.
fn aged(seconds: i64, body: &str) -> Answer {
    let answer = answer(200).header("etag", "\"tag\"").body(body);
    answer.header("date", date(NOW)).header("last-modified", date(NOW - seconds))
}

/// What was written last, and how many seconds ago.
fn echo(seconds: i64) -> Answer {
    Answer { echoes: true, ..aged(seconds, "") }
}

fn held_by(holder: &str) -> String {
    serde_json::json!({ "holder": holder, "term": 120, "mark": 1 }).to_string()
}

fn absent() -> Answer {
    error(404, "NoSuchKey").header("date", date(NOW))
}

fn written() -> Answer {
    answer(200).header("etag", "\"tag\"")
}

fn lost() -> Answer {
    error(412, "PreconditionFailed")
}

#[tokio::test]
async fn a_lease_is_taken_where_there_is_none() {
    let script = Script::new([absent(), written(), echo(1)]).await;
    let leases = S3Leases::new(script.bucket());
    assert!(leases.take("eu", "a").await.unwrap());
    assert!(!leases.take("eu", "b").await.unwrap());
    let seen = script.requests();
    assert_eq!(
        (seen[1].line(), seen[1].header("if-none-match")),
        ("PUT /bucket/leases/eu.json?x-id=PutObject", Some("*"))
    );
}

#[tokio::test]
async fn a_writing_whose_answer_was_lost_counts_as_taken() {
    // It was done all the same: the try that follows finds its own object there.
    let script = Script::new([absent(), error(500, "InternalError"), lost(), echo(0)]).await;
    assert!(S3Leases::new(script.bucket()).take("eu", "a").await.unwrap());
    script.requests();
    let script = Script::new([absent(), lost(), aged(0, &held_by("b"))]).await;
    assert!(!S3Leases::new(script.bucket()).take("eu", "a").await.unwrap(), "another was there first");
    script.requests();
}

#[tokio::test]
async fn a_lease_that_others_keep_writing_is_unavailable() {
    let rounds = (0..5).flat_map(|_| [absent(), lost()]);
    let error = S3Leases::new(Script::new(rounds).await.bucket()).take("eu", "a").await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
}

#[tokio::test]
async fn a_lease_is_as_old_as_s3_says_whatever_the_local_clock() {
    for (age, free) in [(119, false), (120, false), (121, true), (1_000_000_000, true), (0, false), (-3_600, false)] {
        let mut answers = vec![aged(age, &held_by("b"))];
        answers.extend(free.then(written));
        let script = Script::new(answers).await;
        assert_eq!(S3Leases::new(script.bucket()).take("eu", "a").await.unwrap(), free, "{age} s old");
        let seen = script.requests();
        assert!(!free || seen[1].header("if-match") == Some("\"tag\""), "{seen:?}");
    }
}

#[tokio::test]
async fn a_lease_whose_age_nobody_tells_is_unavailable() {
    let untold = answer(200).header("last-modified", date(NOW)).body(held_by("b"));
    let script = Script::new([untold.clone(), untold.header("date", "yesterday")]).await;
    let leases = S3Leases::new(script.bucket());
    for _ in 0..2 {
        let error = leases.take("eu", "a").await.unwrap_err();
        assert!(error.kind == Kind::Unavailable && error.to_string().contains("does not tell its time"), "{error}");
    }
}

#[tokio::test]
async fn a_lease_whose_answer_is_cut_off_is_read_again() {
    let script = Script::new([aged(1, &held_by("a")).cut_after(5), aged(1, &held_by("a"))]).await;
    assert!(S3Leases::new(script.bucket()).renew("eu", "a").await.unwrap());
    script.requests();
}

#[tokio::test]
async fn an_unreadable_lease_is_an_error_and_not_overwritten() {
    let error = S3Leases::new(Script::new([aged(500, "{}x")]).await.bucket()).take("eu", "a").await.unwrap_err();
    assert!(error.kind == Kind::Config && error.to_string().ends_with("remove it"), "{error}");
}

#[tokio::test]
async fn a_lease_is_renewed_when_old_even_past_its_term() {
    for (age, writes) in [(9, 0), (10, 1), (500, 1)] {
        let mut answers = vec![aged(age, &held_by("a"))];
        answers.extend((writes > 0).then(written));
        let script = Script::new(answers).await;
        assert!(S3Leases::new(script.bucket()).renew("eu", "a").await.unwrap(), "{age} s old");
        assert_eq!(script.requests().len(), 1 + writes);
    }
    for gone in [absent(), aged(1, &held_by("b")), aged(500, &held_by("b"))] {
        let script = Script::new([gone]).await;
        assert!(!S3Leases::new(script.bucket()).renew("eu", "a").await.unwrap(), "another's, or nobody's");
    }
}

#[tokio::test]
async fn giving_back_what_another_has_does_nothing() {
    for found in [aged(1, &held_by("b")), aged(500, &held_by("b")), absent()] {
        let script = Script::new([found]).await;
        S3Leases::new(script.bucket()).release("eu", "a").await.unwrap();
        assert_eq!(script.requests().len(), 1);
    }
    let script = Script::new([aged(1, &held_by("a")), written(), echo(1), written()]).await;
    let leases = S3Leases::new(script.bucket());
    leases.release("eu", "a").await.unwrap();
    assert!(leases.take("eu", "b").await.unwrap(), "what was given back is free at once");
    assert_eq!(script.requests().len(), 4);
}

#[tokio::test]
async fn one_process_of_a_run_excludes_another_until_the_term_ends() {
    let script = Script::new([
        // The one takes it; the other neither takes it, nor has it, nor gives it back.
        absent(),
        written(),
        echo(1),
        echo(119),
        echo(11),
        echo(1),
        // The one renews it.
        echo(15),
        written(),
        // Its term is over: the other has it, and the one no more.
        echo(121),
        written(),
        echo(1),
        echo(11),
    ])
    .await;
    let (one, other) = (S3Leases::of_process(script.bucket()), S3Leases::of_process(script.bucket()));
    assert!(one.take("eu", "run").await.unwrap());
    assert!(!other.take("eu", "run").await.unwrap());
    assert!(!other.take("eu", "run").await.unwrap());
    assert!(!other.renew("eu", "run").await.unwrap());
    other.release("eu", "run").await.unwrap();
    assert!(one.renew("eu", "run").await.unwrap());
    assert!(other.take("eu", "run").await.unwrap());
    assert!(!one.take("eu", "run").await.unwrap());
    assert!(!one.renew("eu", "run").await.unwrap());
    let seen = script.requests();
    let writes = seen.iter().filter(|request| request.line().starts_with("PUT")).count();
    assert_eq!((seen.len(), writes), (12, 3));
}

#[tokio::test]
async fn the_functions_calls_of_one_run_share_its_lease() {
    let script = Script::new([absent(), written(), echo(1), echo(1)]).await;
    let (one, other) = (S3Leases::new(script.bucket()), S3Leases::new(script.bucket()));
    assert!(one.take("eu", "run").await.unwrap());
    assert!(other.take("eu", "run").await.unwrap());
    let process = S3Leases::of_process(script.bucket());
    assert!(!process.take("eu", "run").await.unwrap(), "a command line that resumes it does not");
    script.requests();
}
