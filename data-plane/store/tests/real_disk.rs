//! The folder of a real file system.

use std::os::unix::fs::PermissionsExt;

use tollway_store::{Durability, NewMessage, OpenError, Options, ReadBuffer, RealDisk, open};

fn options() -> Options {
    Options {
        segment_bytes: 64 << 10,
        keep_free_bytes: 0,
        ..Options::default()
    }
}

#[test]
fn what_was_committed_is_there_when_the_folder_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (store, mut writer, _) = open(RealDisk::open(&path).unwrap(), options(), 5).unwrap();
    let account = store.account(b"one").unwrap();
    let (stream, _) = store.create_stream(account, Durability::Disk).unwrap();
    for sequence in 1..=2000 {
        let payload = format!("message {sequence}");
        let message = NewMessage {
            stream,
            sequence,
            time: sequence,
            subject: b"a.b",
            headers: b"",
            payload: payload.as_bytes(),
        };
        store.append(&message).unwrap();
        if sequence % 100 == 0 {
            writer.commit(&mut |_| {}).unwrap();
            writer.housekeep(&mut (), &mut |_| {}).unwrap();
        }
    }
    drop((store, writer));

    let (store, writer, recovered) = open(RealDisk::open(&path).unwrap(), options(), 6).unwrap();
    assert_eq!(recovered.damages, []);
    let mut buffer = ReadBuffer::default();
    let mut expected = 1;
    let next = store.read_from(stream, 0, 5000, &mut buffer, &mut |message| {
        let message = message.unwrap();
        assert_eq!(message.sequence, expected);
        assert_eq!(message.payload, format!("message {expected}").as_bytes());
        expected += 1;
        true
    });
    assert_eq!((expected, next), (2001, 2001));
    writer.close(&mut (), &mut |_| {}).unwrap();
}

#[test]
fn a_folder_belongs_to_one_process_and_its_files_to_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (store, writer, _) = open(RealDisk::open(&path).unwrap(), options(), 5).unwrap();
    assert!(matches!(RealDisk::open(&path), Err(OpenError::Locked)));
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );
    for entry in std::fs::read_dir(&path).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    drop((store, writer));
    assert!(RealDisk::open(&path).is_ok());
}
