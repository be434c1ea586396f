//! What a walk finds, and what it passes over.

use super::*;

async fn all(walk: &mut Walk) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(at) = walk.next().await {
        let name = at.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.push(format!("{} {name}", at.device));
    }
    found.sort();
    found
}

fn walk(root: &Path, names: &[&str], checkpoint: Option<Checkpoint>) -> Walk {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let devices = Devices::new(root, false);
    Walk::new(DevicePools::default(), devices, names, "objects".into(), checkpoint)
}

fn root_with(dirs: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for dir in dirs {
        std::fs::create_dir_all(root.path().join(dir)).unwrap();
    }
    root
}

#[tokio::test]
async fn every_hash_folder_of_every_device_is_found() {
    let dirs = ["sda/objects/1/abc/x", "sda/objects/2/abd/y", "sdb/objects/1/abc/x", "sdc/objects-1/1/abc/z"];
    let root = root_with(&dirs);
    std::fs::write(root.path().join("sda/objects/1/hashes.pkl"), "").unwrap();
    std::fs::write(root.path().join("sda/objects/1/abc/file"), "").unwrap();
    let mut walk = walk(root.path(), &["sda", "sdb", "sdc", "gone"], None);
    assert_eq!(all(&mut walk).await, ["sda file", "sda x", "sda y", "sdb x"]);
    assert_eq!(walk.take_unlisted(), 0);
}

#[tokio::test]
async fn what_cannot_be_listed_is_counted_and_passed_over() {
    let root = root_with(&["sda/objects/1/abc/x", "sda/objects/2/abd/y"]);
    // not even root can follow it
    let (one, loops) = (root.path().join("sda/objects/1"), root.path().join("sda/objects/2"));
    std::os::unix::fs::symlink("loop", one.join("loop")).unwrap();
    std::os::unix::fs::symlink("3", loops.with_file_name("3")).unwrap();
    let mut walk = walk(root.path(), &["sda"], None);
    assert_eq!(all(&mut walk).await, ["sda x", "sda y"]);
    assert_eq!(walk.take_unlisted(), 2);
    assert_eq!(walk.take_unlisted(), 0);
}

#[tokio::test]
async fn a_device_that_vanishes_ends_its_part_alone() {
    let root = root_with(&["sda/objects/1/abc/x", "sda/objects/2/abc/x", "sdb/objects/1/abc/y"]);
    let mut walk = walk(root.path(), &["sda"], None);
    walk.waiting.insert(0, "sdb".into());
    assert_eq!(walk.next().await.unwrap().device, "sda");
    std::fs::rename(root.path().join("sda"), root.path().join("away")).unwrap();
    assert_eq!(all(&mut walk).await, ["sdb y"]);
}

#[tokio::test]
async fn a_walk_goes_on_where_the_last_one_was_left() {
    let root = root_with(&["sda/objects/1/abc/x", "sda/objects/2/abd/y", "sdb/objects/1/abc/x"]);
    let checkpoint = Checkpoint::new("ALL");
    checkpoint.note(&root.path().join("sda/objects"), &["2".to_owned()]);
    let mut walk = walk(root.path(), &["sda", "sdb"], Some(checkpoint.clone()));
    assert_eq!(all(&mut walk).await, ["sda y", "sdb x"]);
    for device in ["sda/objects", "sdb/objects"] {
        assert_eq!(checkpoint.read(&root.path().join(device)), Some(vec![]), "walked to its end");
    }
}
