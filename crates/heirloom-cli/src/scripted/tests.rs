//! What was kept aside, as it is listed.

use super::*;
use heirloom_core::command::QuarantineRow;

#[tokio::test]
async fn what_was_kept_aside_is_listed_page_by_page_with_its_author() {
    let aside = |record: Option<&str>, category: Option<&str>| QuarantineRow {
        log: "cd".repeat(16),
        seq: 7,
        device_id: "ab".repeat(32),
        device: "guest\u{1b}".to_owned(),
        record: record.map(str::to_owned),
        category: category.map(str::to_owned),
        title: category.map(|_| "Ann".to_owned()),
        reason: "not an acceptable change".to_owned(),
        at: "2026-01-02T03:04:05Z".to_owned(),
    };
    let node = Scripted::new(Box::new(move |command| {
        let Command::Quarantine { after, .. } = command else { panic!("{command:?}") };
        Ok(match after.as_deref() {
            None => Answer::Quarantine {
                rows: vec![aside(Some(&"1f".repeat(16)), Some("contacts"))],
                next: Some("71".to_owned()),
            },
            Some(_) => Answer::Quarantine {
                rows: vec![aside(Some(&"2f".repeat(16)), None), aside(None, None)],
                next: None,
            },
        })
    }));
    let human = node.run("quarantine|list").await.printed;
    let first = "2026-01-02T03:04:05Z  guest\\u{1b} (abababab): contacts 1f1f1f1f \"Ann\", entry 7";
    assert!(human.starts_with(first), "{human}");
    assert!(human.contains("): record 2f2f2f2f, entry 7 of log cdcdcdcd\n"), "{human}");
    assert!(human.contains("): entry 7 of log cdcdcdcd\n  not an acceptable"), "{human}");
    let lines = json_lines(&node.run("quarantine|list|--json").await.printed);
    assert_eq!((lines.len(), &lines[0]["title"]), (3, &json!("Ann")));
    assert_eq!((&lines[2]["record"], &lines[2]["seq"]), (&Value::Null, &json!(7)));
    let none = Scripted::answering(Answer::Quarantine { rows: Vec::new(), next: None });
    assert_eq!(none.run("quarantine|list|--json").await.printed, "");
    assert!(none.run("quarantine|list").await.printed.starts_with("Nothing was kept aside."));
}

#[tokio::test]
async fn devices_are_taken_out_and_what_they_wrote_is_accepted() {
    let id = "ab".repeat(32);
    let node = Scripted::answering(Answer::Member { device_id: id.clone(), entries: 7 });
    let line = json_lines(&node.run("devices|revoke|phone|--json").await.printed).remove(0);
    assert_eq!(line, json!({"device_id": id, "entries": 7}));
    let told = node.run("devices|revoke|phone|--yes").await.printed;
    assert!(told.starts_with("phone (abababab) is out: it gets nothing new"), "{told}");
    assert!(told.contains("\nWhat is here of it stays: 7 entries.\n"), "{told}");
    let told = node.run("quarantine|accept|phone").await.printed;
    assert!(told.starts_with("7 more entries of phone count.\n"), "{told}");
    let device = "phone".to_owned();
    assert_eq!(node.asked()[0], Command::Revoke { device: device.clone() });
    assert_eq!(node.asked()[2], Command::Accept { device });
}

/// Exports notes into a folder; returns what is told.
async fn exported(target: &std::path::Path, names: &[&str], fails: bool) -> Ended {
    let files: Vec<ExportFile> = names
        .iter()
        .map(|name| ExportFile {
            path: format!("notes/{name}"),
            fallback: Some(format!("notes/{name}-1")),
            base64: "eA==".to_owned(),
        })
        .collect();
    let node = Scripted::new(Box::new(move |command| {
        let Command::Export { category, .. } = command else { panic!("{command:?}") };
        match category.as_str() {
            "notes" => Ok(Answer::Files { files: files.clone(), left_out: Vec::new(), next: None }),
            "calendar" if fails => {
                Ok(Answer::Digest { digest: String::new(), records: BTreeMap::new() })
            }
            _ => Ok(Answer::Files { files: Vec::new(), left_out: Vec::new(), next: None }),
        }
    }));
    node.run(&format!("export|{}", target.display())).await
}

#[tokio::test]
async fn an_export_takes_away_what_an_earlier_one_wrote_and_it_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path();
    exported(target, &["a/old.md", "b/changed.md", "twice.md"], false).await;
    std::fs::write(target.join("notes/b/changed.md"), "mine").unwrap();
    std::fs::write(target.join("notes/a/mine.md"), "mine").unwrap();
    let left = || {
        let walk = crate::walk::Walk::over(&[target.to_owned()]);
        let mut names: Vec<String> = walk.found.into_iter().map(|file| file.name).collect();
        names.sort();
        names
    };
    // One that breaks off removes nothing, and the next one knows what it wrote.
    assert_ne!(exported(target, &["late.md"], true).await.exit, 0);
    assert_eq!(left().len(), 5);
    let ended = exported(target, &["twice.md", "twice.md", "new.md"], false).await;
    assert!(
        ended.printed.contains("\nRemoved 2 files of an earlier export.\n"),
        "{}",
        ended.printed
    );
    assert_eq!(left(), ["a/mine.md", "b/changed.md", "new.md", "twice.md-1"]);
    let ended = exported(target, &["twice.md", "twice.md", "new.md"], false).await;
    assert!(!ended.printed.contains("Removed"), "{}", ended.printed);
}
