//! What `Records` promises.

use super::{Open, ticking};
use crate::storage::{Change, Expect, Records, RecordsError};

async fn value(records: &dyn Records, key: &str) -> Option<(Vec<u8>, u64)> {
    let record = records.get(key).await.expect("readable")?;
    Some((record.value.to_vec(), record.revision))
}

pub async fn a_record_counts_its_revisions(open: Open<'_>) {
    let records = open(ticking()).records;
    assert_eq!(value(&*records, "k").await, None);
    for n in 1..=3u64 {
        records.commit(vec![Change::put("k", format!("v{n}"))]).await.expect("commits");
        assert_eq!(value(&*records, "k").await, Some((format!("v{n}").into_bytes(), n)));
    }
    records.commit(vec![Change::delete("k"), Change::delete("never")]).await.expect("commits");
    assert_eq!(value(&*records, "k").await, None);
    records.commit(vec![Change::put("k", vec![])]).await.expect("commits");
    assert_eq!(value(&*records, "k").await, Some((vec![], 1)));
}

pub async fn a_change_that_expects_another_revision_is_refused_with_the_actual_one(open: Open<'_>) {
    let records = open(ticking()).records;
    records.commit(vec![Change::put("k", "1"), Change::put("k", "2")]).await.expect("commits");
    let cases = [
        ("k", Expect::Absent, Some(2)),
        ("k", Expect::Revision(1), Some(2)),
        ("k", Expect::Revision(3), Some(2)),
        ("none", Expect::Revision(1), Some(0)),
        ("none", Expect::Absent, None),
        ("k", Expect::Revision(2), None),
        ("k", Expect::Any, None),
    ];
    for (key, expect, refused) in cases {
        let result = records.commit(vec![Change::put(key, "3").expecting(expect)]).await;
        match (result, refused) {
            (Ok(()), None) => {}
            (Err(RecordsError::Changed { key: found, actual }), Some(expected)) => {
                assert_eq!((found.as_str(), actual), (key, expected));
            }
            (result, _) => panic!("{key} {expect:?}: {result:?}"),
        }
    }
    assert_eq!(value(&*records, "k").await, Some((b"3".to_vec(), 4)));
}

pub async fn a_commit_is_made_whole_or_not_at_all(open: Open<'_>) {
    let records = open(ticking()).records;
    records.commit(vec![Change::put("a", "1"), Change::put("b", "1")]).await.expect("commits");
    let changes = vec![
        Change::put("a", "2"),
        Change::put("new", "2"),
        Change::delete("b"),
        Change::put("a", "3"),
        Change::put("newer", "2"),
        Change::put("b", "2").expecting(Expect::Revision(9)),
    ];
    // Others that share its write are not disturbed.
    let beside: Vec<_> = (0..20)
        .map(|n| {
            let (records, changes) = (records.clone(), changes.clone());
            tokio::spawn(async move {
                let result = if n % 2 == 0 {
                    records.commit(vec![Change::put(format!("beside-{n}"), "x")]).await
                } else {
                    records.commit(changes).await
                };
                assert_eq!(result.is_ok(), n % 2 == 0, "{result:?}");
            })
        })
        .collect();
    for task in beside {
        task.await.expect("no panic");
    }
    assert_eq!(value(&*records, "a").await, Some((b"1".to_vec(), 1)));
    assert_eq!(value(&*records, "b").await, Some((b"1".to_vec(), 1)));
    assert_eq!(value(&*records, "new").await, None);
    assert_eq!(value(&*records, "newer").await, None);
    assert_eq!(records.scan("beside-", None, 100).await.expect("scans").len(), 10);
}

pub async fn a_scan_pages_through_a_prefix_in_byte_order(open: Open<'_>) {
    let records = open(ticking()).records;
    let keys = ["a", "a/", "a/1", "a/10", "a/2", "a/ü", "a0", "b/1", ""];
    records.commit(keys.iter().map(|key| Change::put(*key, *key)).collect()).await.expect("commits");
    for (prefix, after, limit, expected) in [
        ("a/", None, 9, vec!["a/", "a/1", "a/10", "a/2", "a/ü"]),
        ("a/", None, 2, vec!["a/", "a/1"]),
        ("a/", Some("a/1"), 2, vec!["a/10", "a/2"]),
        ("a/", Some("a/11"), 9, vec!["a/2", "a/ü"]),
        ("a/", Some("a"), 1, vec!["a/"]),
        ("a/", Some("b"), 9, vec![]),
        ("", None, 99, vec!["", "a", "a/", "a/1", "a/10", "a/2", "a/ü", "a0", "b/1"]),
        ("", Some("a0"), 99, vec!["b/1"]),
        ("c", None, 9, vec![]),
        ("a", None, 0, vec![]),
    ] {
        let found = records.scan(prefix, after, limit).await.expect("scans");
        let found: Vec<_> = found.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(found, expected, "{prefix:?} after {after:?}, at most {limit}");
    }
}

pub async fn of_20_concurrent_commits_on_one_revision_exactly_one_wins(open: Open<'_>) {
    let records = open(ticking()).records;
    for round in 0..5u64 {
        let racers: Vec<_> = (0..20)
            .map(|n| {
                let records = records.clone();
                let change = Change::put("k", format!("{n}")).expecting(Expect::Revision(round));
                tokio::spawn(
                    async move { records.commit(vec![change, Change::put(format!("{round}/{n}"), "x")]).await },
                )
            })
            .collect();
        let mut won = 0;
        for racer in racers {
            won += u32::from(racer.await.expect("no panic").is_ok());
        }
        assert_eq!(won, 1);
        assert_eq!(records.scan(&format!("{round}/"), None, 99).await.expect("scans").len(), 1);
    }
}

pub async fn changes_of_one_commit_see_each_other(open: Open<'_>) {
    let records = open(ticking()).records;
    let changes = vec![
        Change::put("k", "1").expecting(Expect::Absent),
        Change::put("k", "2").expecting(Expect::Revision(1)),
        Change::delete("k").expecting(Expect::Revision(2)),
        Change::put("k", "3").expecting(Expect::Absent),
    ];
    records.commit(changes).await.expect("commits");
    assert_eq!(value(&*records, "k").await, Some((b"3".to_vec(), 1)));
}
