//! Folders of fragments, judged and hashed by Python Swift and by us.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use swiftlet_storage::object::hashes::get_hashes_as;
use swiftlet_storage::object::{
    FileName, FileSet, FragmentChoice, FragmentPreference, FragmentPreferences, FragmentRules, Layout,
    SuffixHash,
};
use swiftlet_testing::run_python;

const FOLDERS: usize = 400;
const RECLAIM_AGE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
const LAYOUT: Layout = Layout::Fragments(FragmentRules { count: 6, commit_window: Duration::from_secs(60) });

const MANAGER: &str = r#"
import json, logging, sys
from swift.common.storage_policy import ECStoragePolicy
from swift.obj.diskfile import ECDiskFileManager
logging.disable(logging.CRITICAL)
policy = ECStoragePolicy(1, 'ec', is_default=True, ec_type='liberasurecode_rs_vand', ec_ndata=4, ec_nparity=2)
manager = ECDiskFileManager({'reclaim_age': str(100 * 365 * 24 * 3600)}, logging.getLogger())
"#;

/// For each line `{names, preferences, index}`, what Python makes of the folder.
const JUDGE: &str = r#"
from swift.common.utils import Timestamp
names_of = lambda infos: sorted(i['filename'] for i in infos or [])
for line in sys.stdin:
    folder = json.loads(line)
    prefs = folder['preferences']
    if prefs is not None:
        prefs = [{'timestamp': Timestamp(p['timestamp']), 'exclude': p['exclude']} for p in prefs]
    found = manager.get_ondisk_files(folder['names'], '', verify=False, policy=policy, frag_prefs=prefs,
                                     frag_index=folder['index'])
    obsolete = names_of(found.get('obsolete'))
    reclaimable = [n for n in names_of(found.get('possible_reclaim')) if n not in obsolete]
    name = lambda key: found[key + '_info']['filename'] if key + '_info' in found else None
    print(json.dumps({
        'data': name('data'), 'meta': name('meta'), 'tombstone': name('ts'), 'content_type': name('ctype'),
        'obsolete': obsolete, 'reclaimable': reclaimable,
        'fragments': [[ts.internal, [f['frag_index'] for f in frags]] for ts, frags in found['frag_sets'].items()],
    }, sort_keys=True))
"#;

const HASH: &str = r#"
hashes = manager._hash_suffix(sys.argv[1], policy=policy)
print(json.dumps({str(index): md5 for index, md5 in hashes.items()}, sort_keys=True))
"#;

fn name() -> impl Strategy<Value = String> {
    let kind = prop_oneof![
        4 => (0..7, any::<bool>()).prop_map(|(i, durable)| format!("#{i}{}.data", if durable { "#d" } else { "" })),
        1 => Just(".durable".to_owned()),
        1 => Just(".meta".to_owned()),
        1 => Just("+0.meta".to_owned()),
        1 => Just(".ts".to_owned()),
        1 => Just(".data".to_owned()),
    ];
    (1..5, kind).prop_map(|(time, kind)| format!("000000000{time}.00000{kind}"))
}

type Preferences = Option<Vec<(u32, BTreeSet<u32>)>>;
type Folder = (BTreeSet<String>, Preferences, Option<u32>);

fn folder() -> impl Strategy<Value = Folder> {
    let preference = (1u32..5, prop::collection::btree_set(0u32..6, 0..4));
    let names = prop::collection::btree_set(name(), 0..8).prop_map(|mut names| {
        // of one fragment in two files Python takes the one that the folder lists last
        let all = names.clone();
        names.retain(|name| !all.contains(&name.replace(".data", "#d.data")));
        names
    });
    (names, prop::option::of(prop::collection::vec(preference, 0..3)), prop::option::of(0u32..6))
}

fn sorted(files: &[FileName]) -> Vec<&str> {
    let mut names: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
    names.sort_unstable();
    names
}

fn judge((names, preferences, index): &Folder) -> Value {
    let one = |(time, exclude): &(u32, BTreeSet<u32>)| FragmentPreference {
        timestamp: format!("{time}").parse().expect("a time"),
        exclude: exclude.iter().copied().collect(),
    };
    let preferences = preferences.as_ref().map(|list| FragmentPreferences(list.iter().map(one).collect()));
    let set = FileSet::choose_as(
        names,
        LAYOUT,
        FragmentChoice { index: *index, preferences: preferences.as_ref() },
    );
    let name = |file: &Option<FileName>| file.as_ref().map(|file| file.text.clone());
    let times = set.fragments.by_time.iter().map(|(time, indexes)| json!([time.internal(), indexes]));
    json!({
        "data": name(&set.data), "meta": name(&set.meta), "tombstone": name(&set.tombstone),
        "content_type": name(&set.content_type),
        "obsolete": sorted(&set.obsolete), "reclaimable": sorted(&set.reclaimable),
        "fragments": times.collect::<Vec<_>>(),
    })
}

#[test]
fn the_same_folders_get_the_same_verdict() {
    let mut runner = TestRunner::deterministic();
    let mut draw = || folder().new_tree(&mut runner).expect("a folder").current();
    let folders: Vec<_> = (0..FOLDERS).map(|_| draw()).collect();
    let line = |(names, preferences, index): &Folder| {
        let preferences = preferences.as_ref().map(|list| {
            list.iter()
                .map(|(time, exclude)| json!({"timestamp": time, "exclude": exclude}))
                .collect::<Vec<_>>()
        });
        format!("{}\n", json!({"names": names, "preferences": preferences, "index": index}))
    };
    let input: String = folders.iter().map(line).collect();
    let output = run_python(&format!("{MANAGER}{JUDGE}"), &[], &input);
    assert_eq!(output.lines().count(), FOLDERS);
    for (folder, theirs) in folders.iter().zip(output.lines()) {
        let theirs: Value = serde_json::from_str(theirs).expect("JSON");
        assert_eq!(judge(folder), theirs, "{folder:?}");
    }
}

fn make_suffix(device: &Path, folders: &[BTreeSet<String>]) -> std::path::PathBuf {
    let suffix = device.join("objects-1/7/abc");
    for (i, names) in folders.iter().enumerate() {
        let dir = suffix.join(format!("{i:029x}abc"));
        std::fs::create_dir_all(&dir).expect("a folder");
        names.iter().for_each(|name| drop(std::fs::File::create(dir.join(name)).expect("a file")));
    }
    suffix
}

#[test]
fn the_same_suffix_gets_the_same_hashes() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..8 {
        let mut draw = || folder().new_tree(&mut runner).expect("a folder").current().0;
        let folders: Vec<_> = (0..20).map(|_| draw()).collect();
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        make_suffix(ours.path(), &folders);
        let suffix = make_suffix(theirs.path(), &folders);
        let hashed = run_python(&format!("{MANAGER}{HASH}"), &[&suffix.to_string_lossy()], "");
        let (_, found) = get_hashes_as(LAYOUT, ours.path(), 1, 7, &["abc"], RECLAIM_AGE).expect("hashes");
        let Some(Some(SuffixHash::Fragments(found))) = found.get("abc") else { panic!("{found:?}") };
        let name = |index: &Option<u32>| index.map_or_else(|| "None".to_owned(), |index| index.to_string());
        let found: Value = found
            .iter()
            .map(|(index, hash)| (name(index), json!(hash)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        assert_eq!(found, serde_json::from_str::<Value>(&hashed).expect("JSON"), "{folders:?}");
        // what was written is read again
        let again = get_hashes_as(LAYOUT, ours.path(), 1, 7, &[], RECLAIM_AGE).expect("hashes");
        assert_eq!(again.0, 0, "nothing is hashed a second time");
    }
}
