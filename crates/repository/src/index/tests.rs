use super::*;

fn key() -> MasterKey {
    MasterKey::from_bytes(&[3; 64])
}

fn file(from: u32, n: u32) -> (Id, IndexFile) {
    let blobs = (from..from + n).map(|k| {
        let kind = if k % 7 == 0 { BlobKind::Tree } else { BlobKind::Data };
        IndexBlob::from(&PackedBlob {
            id: Id::of(&k.to_le_bytes()),
            kind,
            offset: k,
            length: k + 1,
            plain_length: k + 2,
        })
    });
    let pack = IndexPack {
        id: Id::of(format!("pack {from}").as_bytes()),
        blobs: blobs.collect(),
        time: None,
    };
    (
        Id::of(format!("index {from}").as_bytes()),
        IndexFile { packs: vec![pack], ..IndexFile::default() },
    )
}

fn assert_holds(index: &BlobIndex, from: u32, n: u32) {
    for k in from..from + n {
        let kind = if k % 7 == 0 { BlobKind::Tree } else { BlobKind::Data };
        let other = if k % 7 == 0 { BlobKind::Data } else { BlobKind::Tree };
        let id = Id::of(&k.to_le_bytes());
        let found = index.find(kind, &id).unwrap().unwrap();
        assert_eq!(
            (found.blob.offset, found.blob.length, found.blob.plain_length),
            (k, k + 1, k + 2)
        );
        assert_eq!(found.pack, Id::of(format!("pack {from}").as_bytes()));
        assert!(index.find(other, &id).unwrap().is_none(), "a tree is no data");
    }
}

#[test]
fn what_is_added_is_found_through_merges_and_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.index");
    let sizes = [
        1, 100, 63, 64, 65, 500, 3, 1, 1, 1, 1, 1, 1, 1, 1, 900, 128, 20, 20, 20, 20, 20, 20, 20,
        20, 20, 20,
    ];
    let mut starts = Vec::new();
    {
        let index = BlobIndex::open(&path, &key()).unwrap();
        let mut from = 0;
        for n in sizes {
            index.add(&[file(from, n)]).unwrap();
            starts.push((from, n));
            from += n;
            for (from, n) in &starts {
                assert_holds(&index, *from, *n);
            }
        }
        let runs = index.state().runs.len();
        assert!(runs < sizes.len() - 7, "{runs} runs: some were merged");
        for k in 1_000_000..1_010_000_u32 {
            assert!(index.find(BlobKind::Data, &Id::of(&k.to_le_bytes())).unwrap().is_none());
        }
    }
    let index = BlobIndex::open(&path, &key()).unwrap();
    assert_eq!(index.loaded().len(), sizes.len());
    for (from, n) in starts {
        assert_holds(&index, from, n);
    }
    index.reset().unwrap();
    assert!(index.find(BlobKind::Data, &Id::of(&1_u32.to_le_bytes())).unwrap().is_none());
    assert!(index.loaded().is_empty());
    index.add(&[file(0, 10)]).unwrap();
    assert_holds(&index, 0, 10);
}

#[test]
fn a_crash_before_the_manifest_leaves_the_index_of_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.index");
    let before = {
        let index = BlobIndex::open(&path, &key()).unwrap();
        index.add(&[file(0, 100)]).unwrap();
        let before = fs::read(path.join(MANIFEST)).unwrap();
        index.add(&[file(100, 100)]).unwrap();
        before
    };
    // The second run and its pack are written, the manifest is not.
    fs::write(path.join(MANIFEST), before).unwrap();
    let index = BlobIndex::open(&path, &key()).unwrap();
    assert_holds(&index, 0, 100);
    assert_eq!(index.loaded().len(), 1);
    assert!(index.find(BlobKind::Data, &Id::of(&101_u32.to_le_bytes())).unwrap().is_none());
    index.add(&[file(200, 50)]).unwrap();
    assert_holds(&index, 200, 50);
    drop(index);
    assert_holds(&BlobIndex::open(&path, &key()).unwrap(), 200, 50);
}

#[test]
fn damage_empties_the_index_and_never_misleads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.index");
    BlobIndex::open(&path, &key()).unwrap().add(&[file(0, 100)]).unwrap();
    let mut run = fs::read_dir(&path)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .find(|p| p.extension().is_some_and(|e| e == "run"))
        .unwrap();
    let mut good = fs::read(&run).unwrap();
    for cut in [0, 1, 31, 32, good.len() / 2, good.len() - 1] {
        fs::write(&run, &good[..cut]).unwrap();
        let index = BlobIndex::open(&path, &key()).unwrap();
        assert!(index.loaded().is_empty(), "cut at {cut}: everything is loaded again");
        // Put back what the opening swept away.
        index.add(&[file(0, 100)]).unwrap();
        assert_holds(&index, 0, 100);
        drop(index);
        run = fs::read_dir(&path)
            .unwrap()
            .flatten()
            .map(|e| e.path())
            .find(|p| p.extension().is_some_and(|e| e == "run"))
            .unwrap();
        good = fs::read(&run).unwrap();
    }
    for text in [
        "",
        "{}",
        "[]",
        "{\"v\":1}",
        "{\"v\":9,\"epoch\":0,\"next\":0,\"runs\":[],\"packs\":0,\"indexes\":[]}",
    ] {
        fs::write(path.join(MANIFEST), text).unwrap();
        assert!(BlobIndex::open(&path, &key()).unwrap().loaded().is_empty());
    }
}

/// Each byte of each file is the key's: a changed one is noticed when it is looked at, and before
/// anything in it counts. So is a whole index of another key, and a run under another's name.
#[test]
fn what_was_not_written_with_the_key_is_never_believed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.index");
    {
        let index = BlobIndex::open(&path, &key()).unwrap();
        index.add(&[file(0, 100)]).unwrap();
        index.add(&[file(100, 40)]).unwrap();
    }
    let files: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(&path)
        .unwrap()
        .flatten()
        .map(|e| (e.path(), fs::read(e.path()).unwrap()))
        .filter(|(p, _)| p.file_name().unwrap() != "lock")
        .collect();
    assert_eq!(files.len(), 4, "manifest, packs, two runs");
    let restore = || {
        for entry in fs::read_dir(&path).unwrap().flatten() {
            fs::remove_file(entry.path()).unwrap();
        }
        for (path, bytes) in &files {
            fs::write(path, bytes).unwrap();
        }
    };
    for (changed, bytes) in &files {
        for at in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
            restore();
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            fs::write(changed, &bad).unwrap();
            let index = BlobIndex::open(&path, &key()).unwrap();
            if index.loaded().is_empty() {
                continue;
            }
            for k in 0..140_u32 {
                let kind = if k % 7 == 0 { BlobKind::Tree } else { BlobKind::Data };
                match index.find(kind, &Id::of(&k.to_le_bytes())) {
                    Err(Error::Cache(_)) => {}
                    Ok(Some(at)) => assert_eq!(at.blob.offset, k),
                    other => panic!("{changed:?} at {at}: blob {k} is {other:?}"),
                }
            }
        }
    }
    restore();
    let other = MasterKey::from_bytes(&[4; 64]);
    assert!(BlobIndex::open(&path, &other).unwrap().loaded().is_empty());
    // Two runs that change places.
    restore();
    let runs: Vec<&(PathBuf, Vec<u8>)> =
        files.iter().filter(|(p, _)| p.extension().is_some_and(|e| e == "run")).collect();
    fs::write(&runs[0].0, &runs[1].1).unwrap();
    assert!(BlobIndex::open(&path, &key()).unwrap().loaded().is_empty());
}

#[test]
fn a_second_process_gets_a_copy_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.index");
    let first = BlobIndex::open(&path, &key()).unwrap();
    first.add(&[file(0, 100)]).unwrap();
    let second = BlobIndex::open(&path, &key()).unwrap();
    assert_holds(&second, 0, 100);
    second.add(&[file(100, 10)]).unwrap();
    assert_holds(&second, 100, 10);
    assert!(first.find(BlobKind::Data, &Id::of(&101_u32.to_le_bytes())).unwrap().is_none());
    first.reset().unwrap();
    assert_holds(&second, 0, 100);
    let own = second.dir.clone();
    drop(second);
    assert!(!own.exists());
}

#[test]
fn copies_of_one_process_are_not_taken_away_by_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.index");
    let first = BlobIndex::open(&path, &key()).unwrap();
    first.add(&[file(0, 100)]).unwrap();
    let second = BlobIndex::open(&path, &key()).unwrap();
    let third = BlobIndex::open(&path, &key()).unwrap();
    assert_holds(&second, 0, 100);
    second.add(&[file(200, 50)]).unwrap();
    drop(third);
    assert_holds(&second, 200, 50);
    second.add(&[file(300, 50)]).unwrap();
    assert_holds(&second, 300, 50);
}

/// Anonymous memory of this process in MiB, where the system tells.
fn anonymous_mib() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|l| l.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

#[test]
#[ignore = "takes ten seconds; cargo xtask test runs it, with --full over ten million blobs"]
fn millions_of_blobs_take_less_than_300_mib_of_memory() {
    const BLOBS: u32 = 50_000;
    let files = if std::env::var_os("STRONGROOM_FULL").is_some() { 200 } else { 40 };
    let dir = tempfile::tempdir().unwrap();
    let index = BlobIndex::open(&dir.path().join("r.index"), &key()).unwrap();
    let mut most = 0;
    for n in 0..files {
        index.add(&[file(n * BLOBS, BLOBS)]).unwrap();
        most = most.max(anonymous_mib().unwrap_or(0));
    }
    for k in (0..files * BLOBS).step_by(9973) {
        let kind = if k % 7 == 0 { BlobKind::Tree } else { BlobKind::Data };
        assert_eq!(index.find(kind, &Id::of(&k.to_le_bytes())).unwrap().unwrap().blob.offset, k);
    }
    let marks = index.marks().unwrap();
    assert_eq!(marks.mark(BlobKind::Data, &Id::of(&1_u32.to_le_bytes())).unwrap(), Some(true));
    most = most.max(anonymous_mib().unwrap_or(0));
    println!("{} blobs: {most} MiB of anonymous memory at most", files * BLOBS);
    assert!(most < 300, "{most} MiB");
}
