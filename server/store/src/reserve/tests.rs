use std::sync::atomic::{AtomicU64, Ordering};

use drawbridge_session::FixedClock;
use proptest::prelude::*;

use super::*;

const KEPT: u64 = 80 * MIB;
const STEP_BYTES: u64 = KEPT / STEP;

/// A disk of which so many bytes are free, and how often it was looked at.
struct Machine {
    clock: Arc<FixedClock>,
    free: Arc<AtomicU64>,
    looks: Arc<AtomicU64>,
    reserve: Reserve,
}

impl Machine {
    fn new(free: u64) -> Self {
        let clock = Arc::new(FixedClock::default());
        let (free, looks) = (Arc::new(AtomicU64::new(free)), Arc::new(AtomicU64::new(0)));
        let (seen, counted) = (Arc::clone(&free), Arc::clone(&looks));
        let probe = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(space(seen.load(Ordering::Relaxed)))
        };
        let reserve = Reserve::open(probe, Some(KEPT), clock.clone()).expect("opened");
        Self {
            clock,
            free,
            looks,
            reserve,
        }
    }

    fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    fn set_free(&self, free: u64) {
        self.free.store(free, Ordering::Relaxed);
    }

    fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Uploads something whole, and writes it if it is admitted.
    fn upload(&self, bytes: u64) -> bool {
        let admitted = self.reserve.upload().admit(bytes).is_ok();
        if admitted {
            self.set_free(self.free().saturating_sub(bytes));
        }
        admitted
    }
}

fn space(free_bytes: u64) -> Space {
    Space {
        free_bytes,
        all_bytes: 2000 * MIB,
        free_files: 0,
        all_files: 0,
    }
}

fn opened(bytes: Option<u64>, found: impl Fn() -> io::Result<Space> + Send + Sync + 'static) -> Reserve {
    Reserve::open(found, bytes, Arc::new(FixedClock::default())).expect("opened")
}

/// The fewest free bytes with which something is admitted.
fn kept_of(all_bytes: u64) -> u64 {
    let free = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&free);
    let found = move || {
        Ok(Space {
            all_bytes,
            ..space(seen.load(Ordering::Relaxed))
        })
    };
    let Some(kept) = opened(None, found).0 else {
        return 0;
    };
    kept.bytes
}

#[test]
fn a_disk_keeps_a_twentieth_and_a_large_one_a_gibibyte() {
    assert_eq!(kept_of(100 * MIB), 5 * MIB);
    assert_eq!(kept_of(20 * 1024 * MIB), 1024 * MIB);
    assert_eq!(kept_of(1 << 50), 1024 * MIB);
}

#[test]
fn nothing_is_kept_where_somebody_says_so() {
    let looked = || -> io::Result<Space> { panic!("nobody looks") };
    assert_eq!(opened(Some(0), looked).upload().admit(u64::MAX), Ok(()));
    assert_eq!(Reserve::none().upload().admit(u64::MAX), Ok(()));
}

#[test]
fn uploads_stop_before_they_take_what_is_kept() {
    let machine = Machine::new(KEPT + 100 * MIB);
    while machine.upload(MIB) {}
    assert!(machine.free() >= KEPT - STEP_BYTES, "{}", machine.free());
    assert!(machine.free() <= KEPT + 2 * MIB, "they stopped too early");
    let refused = machine.reserve.check().expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "The disk of the server is nearly full. Its last 80 MiB (reserve_mib) are kept for sessions and their \
         recordings. Please try again when there is more room."
    );
}

#[test]
fn many_uploads_at_once_hide_nothing_in_their_buffers() {
    let machine = Machine::new(KEPT + 100 * MIB);
    let mut uploads: Vec<_> = (0..1000).map(|_| machine.reserve.upload()).collect();
    let admitted = uploads
        .iter_mut()
        .map(|upload| upload.admit(MIB))
        .filter(Result::is_ok);
    // None of it is on the disk.
    let admitted = admitted.count() as u64;
    assert!(admitted <= 100 + STEP_BYTES / MIB, "{admitted}");
    drop(uploads);
    machine.clock.advance(LOOK_EVERY);
    assert!(
        machine.upload(MIB),
        "what was given up is not on its way any more"
    );
}

#[test]
fn uploads_are_taken_again_within_a_second_of_an_eighth_more() {
    let machine = Machine::new(KEPT - 1);
    assert!(!machine.upload(0));
    machine.set_free(KEPT + STEP_BYTES);
    assert!(!machine.upload(0), "the last look still counts");
    machine.clock.advance(LOOK_EVERY);
    assert!(machine.upload(0));
    // From then on it may come as close as before.
    machine.set_free(KEPT);
    machine.clock.advance(LOOK_EVERY);
    assert!(machine.upload(0));
}

#[test]
fn what_is_refused_and_removed_does_not_open_the_door() {
    let machine = Machine::new(KEPT + STEP_BYTES - 1);
    assert!(!machine.upload(STEP_BYTES));
    machine.clock.advance(LOOK_EVERY);
    assert!(!machine.upload(0));
}

#[test]
fn small_uploads_do_not_each_look() {
    let machine = Machine::new(2 * KEPT);
    for _ in 0..1000 {
        assert!(machine.upload(0));
    }
    assert_eq!(machine.looks(), 1);
    machine.clock.advance(LOOK_EVERY);
    assert!(machine.upload(0));
    assert_eq!(machine.looks(), 2);
}

#[test]
fn files_run_out_before_bytes() {
    let kept = 100 * BYTES_OF_A_FILE;
    let with_files = |free_files, all_files| {
        let found = move || {
            Ok(Space {
                free_bytes: u64::MAX,
                all_bytes: u64::MAX,
                free_files,
                all_files,
            })
        };
        opened(Some(kept), found).check().is_ok()
    };
    assert!(with_files(100, 1_000_000));
    assert!(!with_files(99, 1_000_000));
    // A file system with few of them keeps fewer, and one that does not count them none.
    assert!(with_files(10, 200));
    assert!(!with_files(9, 200));
    assert!(with_files(0, 0));
}

#[test]
fn a_disk_that_does_not_answer_takes_nothing() {
    let reserve = opened(Some(KEPT), || Err(io::Error::other("gone")));
    assert!(reserve.check().is_err());
}

#[test]
fn the_disk_of_a_folder_has_a_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let space = Space::of(folder.path()).expect("it says");
    assert!(space.all_bytes > 0 && space.free_bytes <= space.all_bytes);
    assert!(Space::of(&folder.path().join("absent")).is_err());
}

#[derive(Debug, Clone)]
enum Event {
    /// Sends bytes of one of several uploads.
    Send(usize, u64),
    /// What an upload has sent is on the disk, all of it or what no buffer holds.
    Flush(usize),
    /// Its end.
    End(usize),
    /// The server itself, or somebody else, writes.
    Write(u64),
    Remove(u64),
    Wait(u64),
}

const UPLOADS: usize = 8;

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (0..UPLOADS, 0..3 * MIB).prop_map(|(which, bytes)| Event::Send(which, bytes)),
        2 => (0..UPLOADS).prop_map(Event::Flush),
        2 => (0..UPLOADS).prop_map(Event::End),
        1 => (0..30 * MIB).prop_map(Event::Write),
        1 => (0..40 * MIB).prop_map(Event::Remove),
        1 => (0..1500_u64).prop_map(Event::Wait),
    ]
}

/// What was admitted of an upload and is not on the disk.
fn land(machine: &Machine, buffered: &mut u64, stays: u64) {
    let lands = buffered.saturating_sub(stays);
    *buffered -= lands;
    machine.set_free(machine.free().saturating_sub(lands));
}

proptest! {
    /// While less is free than is kept, uploads take an eighth of what is kept at most, whoever made it so and whatever
    /// their buffers hold.
    #[test]
    fn an_eighth_passes_at_most_while_too_little_is_free(events in prop::collection::vec(event(), 1..400)) {
        let machine = Machine::new(KEPT + 50 * MIB);
        let mut uploads: Vec<_> = (0..UPLOADS).map(|_| (machine.reserve.upload(), 0)).collect();
        let (mut passed_while_short, mut passed, mut waited_ms, mut sent) = (0, 0, 0, 0);
        for event in events {
            // What the disk has when all that was admitted is on it.
            let free = |machine: &Machine, uploads: &[(Uploading<'_>, u64)]| {
                machine.free().saturating_sub(uploads.iter().map(|(_, buffered)| buffered).sum())
            };
            match event {
                Event::Send(which, bytes) => {
                    let before = free(&machine, &uploads);
                    let (upload, buffered) = &mut uploads[which];
                    sent += 1;
                    if upload.admit(bytes).is_ok() {
                        *buffered += bytes;
                        passed += bytes;
                        passed_while_short += bytes - before.saturating_sub(KEPT).min(bytes);
                        land(&machine, buffered, MOST_UNSEEN);
                    }
                }
                Event::Flush(which) => land(&machine, &mut uploads[which].1, 0),
                Event::End(which) => {
                    land(&machine, &mut uploads[which].1, 0);
                    uploads[which].0 = machine.reserve.upload();
                }
                Event::Write(bytes) => machine.set_free(machine.free().saturating_sub(bytes)),
                Event::Remove(bytes) => machine.set_free(machine.free() + bytes),
                Event::Wait(ms) => {
                    waited_ms += ms;
                    machine.clock.advance(Duration::from_millis(ms));
                }
            }
            if free(&machine, &uploads) >= KEPT {
                passed_while_short = 0;
            }
            prop_assert!(passed_while_short <= STEP_BYTES, "{passed_while_short} bytes passed");
        }
        // It looks when a second is over or an eighth has passed.
        prop_assert!(machine.looks() <= 1 + waited_ms / 1000 + 2 * (passed / STEP_BYTES + 1), "of {sent}");
    }

    /// What fits is taken, a second after the last look at the latest.
    #[test]
    fn what_fits_is_taken(events in prop::collection::vec(event(), 0..50), bytes in 0..30 * MIB) {
        let machine = Machine::new(KEPT + 50 * MIB);
        for event in events {
            match event {
                Event::Send(_, bytes) => drop(machine.upload(bytes)),
                Event::Write(bytes) => machine.set_free(machine.free().saturating_sub(bytes)),
                Event::Wait(ms) => machine.clock.advance(Duration::from_millis(ms)),
                Event::Flush(_) | Event::End(_) | Event::Remove(_) => {}
            }
        }
        machine.set_free(KEPT + STEP_BYTES + bytes);
        machine.clock.advance(LOOK_EVERY);
        prop_assert!(machine.upload(bytes));
    }
}
