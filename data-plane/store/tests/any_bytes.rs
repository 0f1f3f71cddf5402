//! Whatever is in the folder, opening does not panic, and a store that opens can be written.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use tollway_store::{Durability, NewMessage, Options, ReadBuffer, SimDisk, open};

fn options() -> Options {
    Options {
        segment_bytes: 8 << 10,
        keep_free_bytes: 0,
        checkpoint_bytes: 4 << 10,
        ..Options::default()
    }
}

/// This is what a fuzzer calls, too: a folder is opened, written, and opened again.
fn fuzz(files: BTreeMap<String, Vec<u8>>) {
    let disk = SimDisk::with_files(files);
    let Ok((store, mut writer, _)) = open(disk.clone(), options(), 77) else {
        return;
    };
    let mut buffer = ReadBuffer::default();
    for stream in store.streams() {
        store.read_from(stream, 0, 1000, &mut buffer, &mut |_| true);
        store
            .state_keys(stream)
            .into_iter()
            .for_each(|key| drop(store.read_state(stream, key)));
    }
    let account = store.account(b"fuzz").expect("room");
    let (stream, _) = store.create_stream(account, Durability::Disk).expect("room");
    let new = NewMessage {
        stream,
        sequence: 5,
        time: 6,
        subject: b"s",
        headers: b"h",
        payload: b"p",
    };
    store.append(&new).expect("room");
    if writer.commit(&mut |_| {}).is_err() {
        return;
    }
    for _ in 0..50 {
        writer
            .housekeep(&mut (), &mut |_| {})
            .expect("a disk without trouble");
    }
    drop(writer);
    let (store, ..) = open(disk, options(), 78).expect("what was written opens");
    assert_eq!(
        store.read(stream, 5, &mut buffer).expect("it is there").payload,
        b"p"
    );
}

fn valid() -> BTreeMap<String, Vec<u8>> {
    let disk = SimDisk::new();
    let (store, mut writer, _) = open(disk.clone(), options(), 99).expect("opens");
    let account = store.account(b"a").expect("room");
    let (stream, _) = store.create_stream(account, Durability::Disk).expect("room");
    for sequence in 1..200 {
        let payload = vec![sequence as u8; (sequence % 90) as usize];
        let new = NewMessage {
            stream,
            sequence,
            time: 1,
            subject: b"subject",
            headers: b"",
            payload: &payload,
        };
        store.append(&new).expect("room");
        if sequence % 3 == 0 {
            store.put_state(stream, sequence % 5, &payload).expect("room");
            writer.commit(&mut |_| {}).expect("commits");
            writer.housekeep(&mut (), &mut |_| {}).expect("keeps house");
        }
        if sequence == 150 {
            store.purge(stream, 1, 100).expect("room");
        }
    }
    writer.close(&mut (), &mut |_| {}).expect("closes");
    disk.files()
}

#[derive(Clone, Debug)]
enum Change {
    Set(usize, usize, u8),
    Fill(usize, usize, usize, u8),
    Cut(usize, usize),
    Copy(usize, usize, usize, usize),
    Remove(usize),
    Swap(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let number = any::<usize>;
    prop_oneof![
        (number(), number(), any::<u8>()).prop_map(|(file, at, byte)| Change::Set(file, at, byte)),
        (number(), number(), 0usize..3000, any::<u8>())
            .prop_map(|(file, at, len, byte)| Change::Fill(file, at, len, byte)),
        (number(), number()).prop_map(|(file, len)| Change::Cut(file, len)),
        (number(), number(), number(), 0usize..2000)
            .prop_map(|(file, from, to, len)| Change::Copy(file, from, to, len)),
        number().prop_map(Change::Remove),
        (number(), number()).prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

fn apply(files: &mut BTreeMap<String, Vec<u8>>, change: &Change) {
    let names: Vec<String> = files.keys().cloned().collect();
    let name = |number: usize| names[number % names.len()].clone();
    if names.is_empty() {
        return;
    }
    match *change {
        Change::Set(file, at, byte) => {
            let bytes = files.entry(name(file)).or_default();
            let len = bytes.len().max(1);
            if let Some(at) = bytes.get_mut(at % len) {
                *at = byte;
            }
        }
        Change::Fill(file, at, len, byte) => {
            let bytes = files.entry(name(file)).or_default();
            let at = at % (bytes.len() + 1);
            let end = (at + len).min(bytes.len());
            bytes[at..end].fill(byte);
        }
        Change::Cut(file, len) => {
            let bytes = files.entry(name(file)).or_default();
            bytes.truncate(len % (bytes.len() + 1));
        }
        Change::Copy(file, from, to, len) => {
            let bytes = files.entry(name(file)).or_default();
            let from = (from % (bytes.len() + 1)) & !7;
            let end = (from + len).min(bytes.len());
            let to = (to % (bytes.len() - (end - from) + 1)) & !7;
            bytes.copy_within(from..end, to);
        }
        Change::Remove(file) => drop(files.remove(&name(file))),
        Change::Swap(one, other) => {
            let (one, other) = (name(one), name(other));
            let (first, second) = (files[&one].clone(), files[&other].clone());
            files.insert(one, second);
            files.insert(other, first);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_folder_in_which_anything_was_changed_is_opened_or_refused(changes in vec(change(), 1..6)) {
        let mut files = valid();
        changes.iter().for_each(|change| apply(&mut files, change));
        fuzz(files);
    }

    #[test]
    fn a_folder_with_any_bytes_is_opened_or_refused(
        segment in vec(any::<u8>(), 0..9000),
        checkpoint in vec(any::<u8>(), 0..200),
    ) {
        let files = [("segment-00000000".to_owned(), segment), ("checkpoint-00000001".to_owned(), checkpoint)];
        fuzz(files.into());
    }
}
