use std::sync::atomic::{AtomicU64, Ordering};

use drawbridge_session::FixedClock;
use proptest::prelude::*;

use super::*;

const KEPT: u64 = 800;
const STEP_BYTES: u64 = KEPT / STEP;

/// A disk of 20,000 bytes, of which so many are free, and how often it was looked at.
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

    /// Writes what is admitted.
    fn upload(&self, bytes: u64) -> bool {
        let admitted = self.reserve.admit(bytes).is_ok();
        if admitted {
            self.set_free(self.free().saturating_sub(bytes));
        }
        admitted
    }
}

fn space(free_bytes: u64) -> Space {
    Space {
        free_bytes,
        all_bytes: 20_000,
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
    assert_eq!(opened(Some(0), looked).admit(u64::MAX), Ok(()));
    assert_eq!(Reserve::none().admit(u64::MAX), Ok(()));
}

#[test]
fn an_upload_stops_before_it_takes_what_is_kept() {
    let machine = Machine::new(KEPT + 1000);
    while machine.upload(10) {}
    assert!(machine.free() >= KEPT - STEP_BYTES, "{}", machine.free());
    assert!(machine.free() < KEPT + 10, "it stopped too early");
    let refused = machine.reserve.admit(0).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "The disk of the server is nearly full. Its last 1 MiB (reserve_mib) are kept for sessions and their \
         recordings. Please try again when there is more room."
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
    let machine = Machine::new(1_000_000);
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
        opened(Some(kept), found).admit(0).is_ok()
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
    assert!(reserve.admit(0).is_err());
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
    Upload(u64),
    /// The server itself, or somebody else, writes.
    Write(u64),
    Remove(u64),
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..400_u64).prop_map(Event::Upload),
        1 => (0..400_u64).prop_map(Event::Write),
        1 => (0..600_u64).prop_map(Event::Remove),
        1 => (0..1500_u64).prop_map(Event::Wait),
    ]
}

proptest! {
    /// While less is free than is kept, uploads take an eighth of what is kept at most, whoever made it so.
    #[test]
    fn an_eighth_passes_at_most_while_too_little_is_free(events in prop::collection::vec(event(), 1..300)) {
        let machine = Machine::new(3000);
        let (mut passed_while_short, mut passed, mut waited_ms) = (0, 0, 0);
        for event in events {
            match event {
                Event::Upload(bytes) => {
                    let before = machine.free();
                    if machine.upload(bytes) {
                        passed += bytes;
                        passed_while_short += bytes - before.saturating_sub(KEPT).min(bytes);
                    }
                }
                Event::Write(bytes) => machine.set_free(machine.free().saturating_sub(bytes)),
                Event::Remove(bytes) => machine.set_free(machine.free() + bytes),
                Event::Wait(ms) => {
                    waited_ms += ms;
                    machine.clock.advance(Duration::from_millis(ms));
                }
            }
            if machine.free() >= KEPT {
                passed_while_short = 0;
            }
            prop_assert!(passed_while_short <= STEP_BYTES, "{passed_while_short} bytes passed");
        }
        // It looks when a second is over or an eighth has passed, and once for an upload that is larger.
        prop_assert!(machine.looks() <= 1 + waited_ms / 1000 + 2 * (passed / STEP_BYTES + 1));
    }

    /// What fits is taken, a second after the last look at the latest.
    #[test]
    fn what_fits_is_taken(events in prop::collection::vec(event(), 0..50), bytes in 0..1000_u64) {
        let machine = Machine::new(3000);
        for event in events {
            match event {
                Event::Upload(bytes) => drop(machine.upload(bytes)),
                Event::Write(bytes) => machine.set_free(machine.free().saturating_sub(bytes)),
                Event::Remove(_) => {}
                Event::Wait(ms) => machine.clock.advance(Duration::from_millis(ms)),
            }
        }
        machine.set_free(KEPT + STEP_BYTES + bytes);
        machine.clock.advance(LOOK_EVERY);
        prop_assert!(machine.upload(bytes));
    }
}
