//! Every byte of a small log is changed in turn: at most the record that is hit is lost, none is
//! another one than was written, and it is reported.

use std::collections::BTreeMap;

use tollway_store::{
    Durability, Meter, NewMessage, Options, ReadBuffer, SimDisk, StateValue, Store, StreamId, open,
};

fn options() -> Options {
    Options {
        segment_bytes: 8 << 10,
        keep_free_bytes: 0,
        ..Options::default()
    }
}

/// What is in the small log.
struct Written {
    files: BTreeMap<String, Vec<u8>>,
    messages: BTreeMap<(StreamId, u64), Vec<u8>>,
    states: BTreeMap<(StreamId, u64), StateValue>,
    last: BTreeMap<StreamId, u64>,
}

fn message(stream: StreamId, sequence: u64, payload: &[u8]) -> NewMessage<'_> {
    NewMessage {
        stream,
        sequence,
        time: 1_700_000_000_000_000_000,
        subject: b"orders.new",
        headers: b"",
        payload,
    }
}

/// Two accounts, three streams, batches of one and of several records, deletions, states.
fn write() -> Written {
    let disk = SimDisk::new();
    let (store, mut writer, _) =
        open(disk.clone(), options(), 0x1234_5678_9abc_def0).expect("a new store opens");
    let mut written = Written {
        files: BTreeMap::new(),
        messages: BTreeMap::new(),
        states: BTreeMap::new(),
        last: BTreeMap::new(),
    };
    let one = store.account(b"one").expect("room");
    let two = store.account(b"two").expect("room");
    let streams: Vec<StreamId> = [one, one, two]
        .map(|account| store.create_stream(account, Durability::Disk).expect("room").0)
        .to_vec();
    writer.commit(&mut |_| {}).expect("commits");
    for round in 1..=6 {
        for stream in &streams {
            let payload = format!("payload {round} of {stream:?}").into_bytes();
            store.append(&message(*stream, round, &payload)).expect("room");
            written.messages.insert((*stream, round), payload);
            written.last.insert(*stream, round);
            if round % 2 == 0 {
                writer.commit(&mut |_| {}).expect("commits");
            }
        }
        store.add_state(streams[0], 9, &[round as u8]).expect("room");
        let state = written.states.entry((streams[0], 9)).or_default();
        state.more.push(vec![round as u8]);
    }
    store.put_state(streams[1], 0, b"configuration").expect("room");
    let whole = StateValue {
        whole: Some(b"configuration".to_vec()),
        ..StateValue::default()
    };
    written.states.insert((streams[1], 0), whole);
    writer.commit(&mut |_| {}).expect("commits");
    writer.close(&mut (), &mut |_| {}).expect("closes");
    written.files = disk.files();
    written
}

/// What a store that was hit once lacks.
fn lost(written: &Written, store: &Store<SimDisk>) -> usize {
    let mut lost = 0;
    let mut buffer = ReadBuffer::default();
    for ((stream, sequence), payload) in &written.messages {
        match store.read(*stream, *sequence, &mut buffer) {
            Ok(read) => assert_eq!(read.payload, payload, "another message"),
            Err(_) => lost += 1,
        }
    }
    for ((stream, key), value) in &written.states {
        let read = store
            .read_state(*stream, *key)
            .expect("the disk answers")
            .unwrap_or_default();
        let parts = |value: &StateValue| value.whole.iter().chain(&value.more).cloned().collect::<Vec<_>>();
        let (read, value) = (parts(&read), parts(value));
        assert!(read.iter().all(|part| value.contains(part)), "another state");
        lost += value.len() - read.len();
    }
    lost
}

fn flip_every_byte(of: &str, with_checkpoint: bool) {
    let mut written = write();
    if !with_checkpoint {
        written.files.retain(|name, _| !name.starts_with("checkpoint"));
    }
    let victims: Vec<String> = written
        .files
        .keys()
        .filter(|name| name.starts_with(of))
        .cloned()
        .collect();
    let (mut hits, mut losses) = (0, 0);
    for name in victims {
        let end = written.files[&name]
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        for at in 0..end {
            let mut files = written.files.clone();
            files.get_mut(&name).expect("it is there")[at] ^= 1 << (at % 8);
            let disk = SimDisk::with_files(files);
            let (store, mut writer, recovered) =
                open(disk, options(), 1).unwrap_or_else(|error| panic!("{name} byte {at}: {error}"));
            let lost = lost(&written, &store);
            assert!(lost <= 1, "{name} byte {at}: {lost} records are lost");
            let (damages, _) = store.damages();
            let reported = !damages.is_empty() || recovered.torn.is_some();
            assert!(lost == 0 || reported, "{name} byte {at}: a loss is not reported");
            for (stream, last) in &written.last {
                let found = store
                    .stream(*stream)
                    .unwrap_or_else(|| panic!("{name} byte {at}: a stream is lost"));
                assert!(
                    found.last >= *last,
                    "{name} byte {at}: the last sequence goes back"
                );
                assert!(found.account.is_some(), "{name} byte {at}: whose stream is it?");
                assert_eq!(
                    found.last, *last,
                    "{name} byte {at}: sequences are skipped, {damages:?}"
                );
            }
            assert_eq!(
                store.accounts().len(),
                2,
                "{name} byte {at}: an account's name is lost"
            );
            let account = store.account(b"one").expect("room");
            let counted = store.counter(account, Meter::STORED_MESSAGES);
            assert!(
                (11..=12).contains(&counted),
                "{name} byte {at}: {counted} messages are billed"
            );
            // It goes on.
            let stream = *written.last.keys().next().expect("streams");
            store.append(&message(stream, 100, b"next")).expect("room");
            writer.commit(&mut |_| {}).expect("commits");
            assert_eq!(store.stream(stream).map(|stream| stream.last), Some(100));
            hits += 1;
            losses += lost;
        }
    }
    assert!(hits > 500, "only {hits} bytes were tried");
    assert!(
        losses > 0 || of != "segment",
        "nothing was ever lost: the records were not hit"
    );
}

#[test]
fn a_changed_byte_of_the_log_costs_one_record_when_all_of_it_is_read_again() {
    flip_every_byte("segment", false);
}

#[test]
fn a_changed_byte_of_the_log_costs_one_record_when_a_checkpoint_is_read() {
    flip_every_byte("segment", true);
}

#[test]
fn a_changed_byte_of_a_checkpoint_costs_nothing() {
    flip_every_byte("checkpoint", true);
}

#[test]
fn a_lost_sector_never_lets_a_sequence_be_given_twice() {
    let mut written = write();
    written.files.retain(|name, _| !name.starts_with("checkpoint"));
    let name = "segment-00000000";
    let end = written.files[name]
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    // The last batches stand behind what is lost, so that it is known to be a loss.
    for from in (64..end - 600).step_by(8) {
        let mut files = written.files.clone();
        files.get_mut(name).expect("it is there")[from..from + 512].fill(0xee);
        let (store, _, recovered) = open(SimDisk::with_files(files), options(), 1).expect("opens");
        assert!(
            !recovered.damages.is_empty(),
            "byte {from}: the loss is not reported"
        );
        for (stream, last) in &written.last {
            if let Some(found) = store.stream(*stream) {
                assert!(
                    found.last >= *last,
                    "byte {from}: {stream:?} would give {last} again"
                );
            }
        }
    }
}

#[test]
fn files_of_another_format_version_are_refused_and_left_alone() {
    let written = write();
    let mut files = written.files.clone();
    let header = files.get_mut("segment-00000000").expect("it is there");
    header[16] = 2;
    let crc = crc32c::crc32c(&header[..60]).to_le_bytes();
    header[60..64].copy_from_slice(&crc);
    let disk = SimDisk::with_files(files.clone());
    let error = open(disk.clone(), options(), 1).err().expect("it is refused");
    assert!(error.to_string().contains("version 2"), "{error}");
    assert_eq!(disk.files(), files);
}
