use super::*;

fn name(file: &Option<FileName>) -> Option<&str> {
    file.as_ref().map(|f| f.text.as_str())
}

fn names(files: &[FileName]) -> Vec<&str> {
    let mut all: Vec<_> = files.iter().map(|f| f.text.as_str()).collect();
    all.sort();
    all
}

#[test]
fn the_newest_data_wins_over_all_that_is_not_newer() {
    let set = FileSet::choose([
        "0000000001.00000.data",
        "0000000002.00000.ts",
        "0000000003.00000.data",
        "0000000003.00000+0.meta",
        "0000000001.00000.durable",
    ]);
    assert_eq!(name(&set.data), Some("0000000003.00000.data"));
    assert_eq!(set.meta, None);
    assert_eq!(set.tombstone, None);
    assert_eq!(
        names(&set.obsolete),
        [
            "0000000001.00000.data",
            "0000000001.00000.durable",
            "0000000002.00000.ts",
            "0000000003.00000+0.meta"
        ]
    );
}

#[test]
fn a_tombstone_at_the_same_time_wins() {
    let set = FileSet::choose(["0000000002.00000.data", "0000000002.00000.ts", "0000000001.00000.ts"]);
    assert_eq!(name(&set.tombstone), Some("0000000002.00000.ts"));
    assert_eq!(set.data, None);
    assert_eq!(names(&set.obsolete), ["0000000001.00000.ts", "0000000002.00000.data"]);
}

#[test]
fn offsets_order_within_one_time() {
    let set = FileSet::choose(["0000000002.00000.data", "0000000002.00000_0000000000000001.data"]);
    assert_eq!(name(&set.data), Some("0000000002.00000_0000000000000001.data"));
}

#[test]
fn a_second_meta_stays_while_its_content_type_is_newer() {
    let set = FileSet::choose(["0000000001.00000.data", "0000000009.00000-64.meta", "0000000009.00000.meta"]);
    assert_eq!(name(&set.meta), Some("0000000009.00000-64.meta"), "same time: the one with a content type");
    assert_eq!(names(&set.obsolete), ["0000000009.00000.meta"]);

    let set = FileSet::choose(["0000000001.00000.data", "0000000009.00000.meta", "0000000008.00000+0.meta"]);
    assert_eq!(name(&set.meta), Some("0000000009.00000.meta"));
    assert_eq!(name(&set.content_type), Some("0000000008.00000+0.meta"));
    assert!(set.obsolete.is_empty());
}

#[test]
fn metas_without_data_wait_for_the_reclaim_age() {
    let set = FileSet::choose(["0000000009.00000.meta", "0000000003.00000.ts"]);
    assert_eq!(names(&set.reclaimable), ["0000000009.00000.meta"]);
    assert_eq!(name(&set.tombstone), Some("0000000003.00000.ts"));
    assert_eq!(set.meta, None);
}

#[test]
fn names_that_nobody_writes_are_left_alone() {
    let set =
        FileSet::choose(["junk", ".1.data.AbCdEf", "0000000001.00000#2#d.data", "0000000001.00000.data"]);
    assert_eq!(set.unexpected.len(), 3);
    assert!(set.obsolete.is_empty());
}
