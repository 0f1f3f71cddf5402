//! Opens a store: finds its files, reads the log again, and begins to write where it ends.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::{Mutex, RwLock};

use crate::batch::seed_of;
use crate::checkpoint::UNFINISHED;
use crate::checkpointing::Checkpointing;
use crate::damage::DamageLog;
use crate::disk::{Disk, DiskFile};
use crate::error::{CommitError, OpenError};
use crate::ids::Position;
use crate::intake::{Intake, Taken};
use crate::log::{FreeFile, Log, SegmentFile, free_header};
use crate::options::Options;
use crate::recovery::{
    Known, Recovered, Replay, newest_checkpoint, number_of_headless, read_all, segment_header,
};
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, slot_of};
use crate::shared::Shared;
use crate::store::Store;
use crate::tally::Tally;
use crate::writer::Writer;

/// The files of the log, by what is in them.
struct Files<F> {
    nonce: Option<u64>,
    log: BTreeMap<u32, Known<F>>,
    free: Vec<FreeFile<F>>,
    /// Files whose header says nothing.
    headless: Vec<(String, SegmentFile<F>)>,
    next_slot: u32,
}

/// Opens the store on `disk`, or makes one when the folder holds none.
///
/// `random` becomes the secret of a new store; it must come from a good source of randomness.
pub fn open<D: Disk>(
    disk: D,
    options: Options,
    random: u64,
) -> Result<(Store<D>, Writer<D>, Recovered), OpenError> {
    let options = options.bounded();
    let disk = Arc::new(disk);
    let names = disk.list().map_err(failed("list the folder"))?;
    let mut damages = DamageLog::default();
    let mut files = find_files(&*disk, &names)?;
    let (checkpoint, kept) = newest_checkpoint(&*disk, &names, &mut damages)?;
    if names.iter().any(|name| name == UNFINISHED) {
        disk.remove(UNFINISHED)
            .map_err(failed("remove an unfinished checkpoint"))?;
    }
    let known = files
        .nonce
        .or(checkpoint.as_ref().map(|checkpoint| checkpoint.header.nonce));
    let nonce = known.unwrap_or(random.max(1));
    let headless = name_headless(&mut files, nonce, known.is_some())?;

    let first = files.log.keys().next().copied().unwrap_or(1);
    let mut replay = Replay::new(nonce, checkpoint, first, damages);
    replay.run(&files.log)?;
    replay.finish(&|segment| files.log.contains_key(&segment), &headless);
    let writer = begin(disk, options, files, replay, kept)?;
    let (mut writer, recovered) = writer;
    match writer.write_mark().and_then(|()| writer.sync()) {
        // What is there can be read; writing waits for space.
        Ok(()) | Err(CommitError::NoSpace) => {}
        Err(error) => return Err(commit_failed(error)),
    }
    Ok((writer.store(), writer, recovered))
}

fn failed(step: &'static str) -> impl FnOnce(std::io::Error) -> OpenError {
    move |source| OpenError::Disk {
        step: step.to_owned(),
        source,
    }
}

fn commit_failed(error: CommitError) -> OpenError {
    match error {
        CommitError::Disk { step, source } => OpenError::Disk {
            step: step.to_owned(),
            source,
        },
        other => OpenError::Disk {
            step: "begin to write".to_owned(),
            source: std::io::Error::other(other),
        },
    }
}

fn find_files<D: Disk>(disk: &D, names: &[String]) -> Result<Files<D::File>, OpenError> {
    let mut files = Files {
        nonce: None,
        log: BTreeMap::new(),
        free: Vec::new(),
        headless: Vec::new(),
        next_slot: 0,
    };
    let mut slots: Vec<(u32, &String)> = names
        .iter()
        .filter_map(|name| Some((slot_of(name)?, name)))
        .collect();
    slots.sort_unstable();
    for (slot, name) in slots {
        files.next_slot = slot + 1;
        let file = disk.open(name).map_err(|source| OpenError::Disk {
            step: format!("open {name}"),
            source,
        })?;
        let len = file.len().map_err(failed("look at a segment"))?;
        let header = segment_header(&file, name)?;
        let segment = SegmentFile {
            file: Arc::new(file),
            slot,
            len: u32::try_from(len).unwrap_or(u32::MAX),
        };
        match header {
            None => files.headless.push((name.clone(), segment)),
            Some(header) if files.nonce.is_some_and(|nonce| nonce != header.nonce) => {
                // Of another store: left as it is.
            }
            Some(header) => {
                files.nonce = Some(header.nonce);
                if header.number == 0 {
                    files.free.push(FreeFile {
                        segment,
                        filled: u64::from(header.before.max(64)),
                    });
                } else {
                    files.log.entry(header.number).or_insert(Known {
                        file: segment,
                        before: Some(header.before),
                    });
                }
            }
        }
    }
    Ok(files)
}

/// Files without a readable header belong to the log when a batch in them says so. Others were
/// being made when the machine stopped; they are free.
fn name_headless<F: DiskFile>(
    files: &mut Files<F>,
    nonce: u64,
    known: bool,
) -> Result<Vec<(u32, String)>, OpenError> {
    let mut named = Vec::new();
    for (name, segment) in std::mem::take(&mut files.headless) {
        let bytes = read_all(&*segment.file, 0, &name)?;
        let Some(number) = number_of_headless(&bytes, nonce) else {
            if !known && bytes.iter().any(|byte| *byte != 0) {
                return Err(OpenError::Unrecognised);
            }
            if segment.len as usize > 2 * SEGMENT_HEADER_BYTES {
                let header = free_header(nonce, segment.len, 0);
                segment
                    .file
                    .write_at(&header, 0)
                    .map_err(failed("begin a free segment"))?;
                files.free.push(FreeFile {
                    segment,
                    filled: SEGMENT_HEADER_BYTES as u64,
                });
            }
            continue;
        };
        named.push((number, name));
        files.log.entry(number).or_insert(Known {
            file: segment,
            before: None,
        });
    }
    Ok(named)
}

type Begun<D> = (Writer<D>, Recovered);

/// Puts the parts together. A new store gets its first segment.
fn begin<D: Disk>(
    disk: Arc<D>,
    options: Options,
    mut files: Files<D::File>,
    replay: Replay,
    kept: Vec<(u32, Position)>,
) -> Result<Begun<D>, OpenError> {
    let Replay {
        mut index,
        nonce,
        epoch,
        batch,
        end,
        since,
        damages,
        recovered,
        ..
    } = replay;
    index.removed = None;
    let epoch = epoch + 1;
    let seed = seed_of(nonce);
    rewrite_broken_headers(&files, nonce, epoch)?;
    let mut intake = Intake::new(options, seed, &index, replay.next_stream, replay.next_revision);
    intake.skip_accounts_to(replay.next_account);
    let totals = index.counters.clone();

    let next_checkpoint = kept.last().map_or(1, |(number, _)| number + 1);
    let active = files.log.get(&end.segment).map(|known| known.file.clone());
    let is_new = active.is_none();
    let active = match active {
        Some(active) => active,
        // A place holder: `turn` takes the first free file instead before anything is written.
        None => match files.free.first() {
            Some(free) => free.segment.clone(),
            None => {
                let name = crate::segment::file_name(files.next_slot);
                let len = options.segment_bytes;
                let file = disk
                    .create(&name, u64::from(len))
                    .map_err(failed("make the first segment"))?;
                file.write_at(&free_header(nonce, len, 0), 0)
                    .map_err(failed("make the first segment"))?;
                disk.sync_names().map_err(failed("make the first segment"))?;
                let segment = SegmentFile {
                    file: Arc::new(file),
                    slot: files.next_slot,
                    len,
                };
                files.next_slot += 1;
                files.free.push(FreeFile {
                    segment: segment.clone(),
                    filled: SEGMENT_HEADER_BYTES as u64,
                });
                segment
            }
        },
    };
    let mut log = Log {
        disk,
        options,
        nonce,
        epoch,
        active,
        end,
        synced: 0,
        free: files.free,
        next_slot: files.next_slot,
        batch,
        no_space: false,
    };
    if is_new {
        // The segment before the first one was never used. When the last one is missing, its number
        // is not given again: a checkpoint may still speak of it.
        let before = if recovered.checkpoint.is_some() {
            end.segment
        } else {
            end.segment - 1
        };
        log.end = Position {
            segment: before,
            offset: 0,
        };
        log.turn().map_err(commit_failed)?;
    } else {
        log.keep_one_free().map_err(commit_failed)?;
    }
    intake.refusals.no_space = log.no_space;
    let mut map: crate::index::Map<u32, SegmentFile<D::File>> = files
        .log
        .into_iter()
        .map(|(number, known)| (number, known.file))
        .collect();
    map.insert(log.end.segment, log.active.clone());

    let shared = Arc::new(Shared {
        options,
        seed,
        index: RwLock::new(index),
        intake: Mutex::new(intake),
        files: RwLock::new(map),
        damages: Mutex::new(damages),
        memory_tickets: AtomicU64::new(0),
    });
    let writer = Writer {
        shared,
        log,
        tally: Tally::new(totals),
        batch: Vec::new(),
        taken: Taken::default(),
        checkpointing: Checkpointing::new(kept, next_checkpoint, since),
        compaction: None,
        kept_damaged: HashSet::new(),
        erase_to: 0,
        marked: false,
    };
    Ok((writer, recovered))
}

/// What the batches said is written into the header again.
fn rewrite_broken_headers<F: DiskFile>(files: &Files<F>, nonce: u64, epoch: u32) -> Result<(), OpenError> {
    let broken = files.log.iter().filter(|(_, known)| known.before.is_none());
    for (&number, known) in broken {
        // Without the length that was used of the segment before, all of it counts as used.
        let before = number.checked_sub(1).and_then(|before| files.log.get(&before));
        let before = before.map_or(0, |before| before.file.len);
        let header = SegmentHeader {
            nonce,
            number,
            epoch,
            before,
            len: known.file.len,
        };
        let file = &known.file.file;
        file.write_at(&header.encode(), 0)
            .map_err(failed("repair a segment's header"))?;
        file.sync().map_err(failed("repair a segment's header"))?;
    }
    Ok(())
}
