//! A bucket.

use std::io::Write;

use crate::ports::{ObjectMeta, PutMode, PutOutcome, Reader, Store};
use crate::run::keys;

use super::*;

fn written(tag: &str) -> Answer {
    answer(200).header("etag", format!("\"{tag}\""))
}

fn object(body: &str) -> Answer {
    answer(200).header("etag", "\"tag\"").body(body)
}

fn file(bytes: usize) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&vec![b'x'; bytes]).unwrap();
    file
}

#[tokio::test]
async fn a_conflicting_conditional_write_is_retried() {
    let script = Script::new([error(409, "ConditionalRequestConflict"), written("new")]).await;
    let put = script.bucket().put("a", "x".into(), PutMode::Update("old".into())).await;
    assert_eq!(put.unwrap(), PutOutcome::Written("new".into()));
    let seen = script.requests();
    assert_eq!(seen.iter().map(|request| request.header("if-match")).collect::<Vec<_>>(), [Some("\"old\""); 2]);
    let script = Script::new([error(409, "ConditionalRequestConflict"), error(412, "PreconditionFailed")]).await;
    assert_eq!(script.bucket().put("a", "x".into(), PutMode::Create).await.unwrap(), PutOutcome::Conflict);
    assert_eq!(script.requests()[1].header("if-none-match"), Some("*"));
}

#[tokio::test]
async fn what_holds_personal_data_is_tagged_and_nothing_else() {
    let run = "20261123T060000Z-newsletter-00000000";
    let of_run = |name: &str| keys::of_run(run, name);
    let personal = [
        of_run("chunks/000000.tsv"),
        keys::results(run, 0, 1),
        of_run("rejects/000000.ndjson"),
        of_run("rejects.csv"),
        of_run("differences.csv"),
        keys::unconfirmed("newsletter"),
    ];
    let others = [of_run("report.json"), of_run("run.json"), of_run("stop.json"), keys::notified("newsletter")];
    let all: Vec<&String> = personal.iter().chain(&others).collect();
    let script = Script::new(all.iter().flat_map(|_| [written("a"), written("b")])).await;
    for key in &all {
        script.bucket().put(key, "x".into(), PutMode::Overwrite).await.unwrap();
        script.bucket().put_file(key, file(1).as_file(), PutMode::Overwrite).await.unwrap();
    }
    let tags: Vec<Option<String>> =
        script.requests().iter().map(|request| request.header("x-amz-tagging").map(str::to_owned)).collect();
    let tag = |key: &String| personal.contains(key).then(|| "content=personal".to_owned());
    let expected: Vec<Option<String>> = all.iter().flat_map(|key| [tag(key), tag(key)]).collect();
    assert_eq!(tags, expected);
}

#[tokio::test]
async fn a_failed_condition_is_a_conflict_and_a_missing_bucket_not() {
    let held = || PutMode::Update("old".into());
    for (status, code) in [(412, "PreconditionFailed"), (404, "NoSuchKey")] {
        let script = Script::new([error(status, code)]).await;
        assert_eq!(script.bucket().put("a", "x".into(), held()).await.unwrap(), PutOutcome::Conflict, "{code}");
    }
    for condition in [held(), PutMode::Create, PutMode::Overwrite] {
        let script = Script::new([error(404, "NoSuchBucket")]).await;
        let error = script.bucket().put("a", "x".into(), condition).await.unwrap_err();
        assert_eq!(error.kind, Kind::Config);
    }
}

#[tokio::test]
async fn every_call_says_who_must_act() {
    for (status, code, tries, kind) in [
        (404, "NoSuchBucket", 1, Kind::Config),
        (403, "AccessDenied", 1, Kind::Access),
        (403, "SomethingNew", 1, Kind::Access),
        (400, "ExpiredToken", 1, Kind::Access),
        (503, "SlowDown", TRIES, Kind::Unavailable),
        (500, "InternalError", TRIES, Kind::Unavailable),
    ] {
        for call in ["get", "put", "list", "delete"] {
            let script = Script::new((0..tries).map(|_| error(status, code))).await;
            let bucket = script.bucket();
            let error = match call {
                "get" => bucket.get("a").await.unwrap_err(),
                "put" => bucket.put("a", "x".into(), PutMode::Overwrite).await.unwrap_err(),
                "list" => bucket.list("a").await.unwrap_err(),
                _ => bucket.delete("a").await.unwrap_err(),
            };
            assert_eq!(error.kind, kind, "{call}: {}", error.chain());
            assert!(error.chain().contains(&format!("{code}: not today")), "{call}: {}", error.chain());
            assert_eq!(script.requests().len(), tries as usize, "{call}: {code}");
        }
    }
    // What is asked for without a body is answered without one.
    let script = Script::new([answer(403), answer(404)]).await;
    assert_eq!(script.bucket().head("a").await.unwrap_err().kind, Kind::Access);
    assert!(script.bucket().head("a").await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_absent_is_none_and_may_be_removed() {
    let script = Script::new([error(404, "NoSuchKey"), error(404, "NoSuchKey"), answer(204)]).await;
    let bucket = script.bucket();
    assert!(bucket.get("a").await.unwrap().is_none());
    bucket.delete("a").await.unwrap();
    bucket.delete("a").await.unwrap();
    assert_eq!(
        script.lines(),
        ["GET /bucket/a?x-id=GetObject", "DELETE /bucket/a?x-id=DeleteObject", "DELETE /bucket/a?x-id=DeleteObject"]
    );
}

#[tokio::test]
async fn an_object_that_is_cut_off_is_read_again() {
    let script = Script::new([object("whole").cut_after(3), object("whole").cut_after(0), object("whole")]).await;
    let object = script.bucket().get("a").await.unwrap().unwrap();
    assert_eq!((&object.body[..], object.tag.as_str()), (&b"whole"[..], "tag"));
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn an_object_that_keeps_being_cut_off_is_unavailable() {
    let script = Script::new((0..3).map(|_| object("whole").cut_after(3))).await;
    let error = script.bucket().get("a").await.unwrap_err();
    assert!(error.kind == Kind::Unavailable && error.to_string().contains("cut off repeatedly"), "{error}");
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn a_cut_stream_resumes_at_the_same_place_and_version() {
    let rest = answer(206).header("etag", "\"tag\"").header("content-range", "bytes 3-4/5").body("le");
    let script = Script::new([object("whole").cut_after(3), rest]).await;
    let meta = ObjectMeta { key: "a".into(), bytes: 5, modified: jiff::Timestamp::UNIX_EPOCH, version: "tag".into() };
    let mut reader = script.bucket().open(&meta).await.unwrap();
    let mut read = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        read.extend_from_slice(&piece);
    }
    assert_eq!(read, b"whole");
    let seen = script.requests();
    assert_eq!((seen[1].header("range"), seen[1].header("if-match")), (Some("bytes=3-"), Some("\"tag\"")));
}

#[tokio::test]
async fn a_listing_has_all_its_pages_in_order() {
    let page = |key: &str, next: &str| {
        let next = if next.is_empty() {
            String::new()
        } else {
            format!("<NextContinuationToken>{next}</NextContinuationToken>")
        };
        let truncated = !next.is_empty();
        answer(200).body(format!(
            "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>{truncated}</IsTruncated>{next}<Contents><Key>{key}</Key>\
             <LastModified>2026-11-25T06:00:00.000Z</LastModified><ETag>&quot;tag&quot;</ETag><Size>7</Size></Contents></ListBucketResult>"
        ))
    };
    let script = Script::new([page("a/2", "more"), page("a/3", "last"), page("a/1", "")]).await;
    let found = script.bucket().list("a/").await.unwrap();
    assert_eq!(found.iter().map(|meta| meta.key.as_str()).collect::<Vec<_>>(), ["a/1", "a/2", "a/3"]);
    let modified = "2026-11-25T06:00:00Z".parse().unwrap();
    assert_eq!(found[0], ObjectMeta { key: "a/1".into(), bytes: 7, modified, version: "tag".into() });
    let lines = script.lines();
    assert!(lines[1].contains("continuation-token=more") && lines[2].contains("continuation-token=last"), "{lines:?}");
}

#[tokio::test]
async fn what_objects_held_before_is_listed_read_and_removed() {
    let version = |id: &str, latest: bool| {
        format!(
            "<Version><Key>a/1</Key><VersionId>{id}</VersionId><IsLatest>{latest}</IsLatest><Size>7</Size>\
             <LastModified>2026-11-25T06:00:00.000Z</LastModified><ETag>&quot;tag&quot;</ETag></Version>"
        )
    };
    let page = |versions: String, next: &str| {
        let more = format!("<NextKeyMarker>a/1</NextKeyMarker><NextVersionIdMarker>{next}</NextVersionIdMarker>");
        let (truncated, more) = if next.is_empty() { (false, String::new()) } else { (true, more) };
        answer(200).body(format!(
            "<?xml version=\"1.0\"?><ListVersionsResult><IsTruncated>{truncated}</IsTruncated>{more}{versions}\
             <DeleteMarker><Key>a/2</Key><VersionId>m</VersionId><IsLatest>true</IsLatest></DeleteMarker></ListVersionsResult>"
        ))
    };
    let pages = [page(version("new", true) + &version("old", false), "old"), page(version("older", false), "")];
    let script =
        Script::new(pages.into_iter().chain([object("before"), answer(204), error(404, "NoSuchVersion")])).await;
    let found = script.bucket().earlier("a/").await.unwrap();
    assert_eq!(found.iter().map(|meta| meta.version.as_str()).collect::<Vec<_>>(), ["old", "older"]);
    assert_eq!(script.bucket().get_earlier(&found[0]).await.unwrap().unwrap(), "before");
    script.bucket().delete_earlier(&found[0]).await.unwrap();
    assert_eq!(script.bucket().get_earlier(&found[0]).await.unwrap(), None);
    let lines = script.lines();
    assert!(lines[1].contains("version-id-marker=old"), "{lines:?}");
    assert!(lines[2].contains("versionId=old") && lines[3].contains("versionId=old"), "{lines:?}");
}

#[tokio::test]
async fn a_file_is_sent_again_whole_and_under_its_condition() {
    let script = Script::new([error(503, "SlowDown"), error(409, "ConditionalRequestConflict"), written("new")]).await;
    let file = file(200_000);
    let put = script.bucket().put_file("a", file.as_file(), PutMode::Update("old".into())).await;
    assert_eq!(put.unwrap(), PutOutcome::Written("new".into()));
    for request in script.requests() {
        assert_eq!(request.header("if-match"), Some("\"old\""));
        let sent = request.body.iter().filter(|byte| **byte == b'x').count();
        assert!(sent >= 200_000, "{sent} of its bytes");
    }
    let script = Script::new([error(412, "PreconditionFailed")]).await;
    assert_eq!(script.bucket().put_file("a", file.as_file(), PutMode::Create).await.unwrap(), PutOutcome::Conflict);
}

/// The time for an answer counts from the first byte that is sent.
#[tokio::test]
async fn a_long_file_has_longer_for_its_answer() {
    let hasty = || TimeoutConfig::builder().read_timeout(Duration::from_millis(500)).build();
    let script = Script::new([written("new").late(Duration::from_millis(1_000))]).await;
    let file = file(9 << 20);
    let put = script.bucket_with(hasty()).put_file("a", file.as_file(), PutMode::Overwrite).await;
    assert_eq!(put.unwrap(), PutOutcome::Written("new".into()));
    assert_eq!(script.requests().len(), 1);
}
