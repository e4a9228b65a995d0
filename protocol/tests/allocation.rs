//! What a peer announces costs nothing; only what it has sent does.

#![expect(
    unsafe_code,
    reason = "an allocator that counts can only be installed with an unsafe impl"
)]

mod ends;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use drawbridge_protocol::port_mux::{Flows, Side};
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};
use proptest::prelude::*;

use ends::*;

proptest! {
    /// Decoding allocates nothing at all, whatever the bytes: the payload is a slice of the message.
    #[test]
    fn decoding_allocates_nothing(noise in prop::collection::vec(any::<u8>(), 0..400), announced: u32, offset in 0_usize..2) {
        let noise = Bytes::from(noise);
        let mut damaged = output(3, noise.clone()).to_vec();
        damaged[[0, 116][offset]..][..4].copy_from_slice(&announced.to_be_bytes());
        for message in [noise.clone(), damaged.into(), output(3, noise.clone())] {
            let (_, allocated) = allocated_by(|| drop(Frame::decode(message)));
            prop_assert_eq!(allocated, 0);
        }
    }

    /// An end that takes a hostile stream frame allocates in proportion to what came.
    #[test]
    fn an_end_allocates_in_proportion(
        sequence in prop_oneof![0_i64..50, any::<i64>()],
        payload_type in 0_u32..14,
        noise in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let payload_type = PayloadType::from(payload_type);
        let (mut client, mut node) = (client(), node());
        let to_client = stream_frame(MessageType::OutputStreamData, sequence, payload_type, noise.clone());
        let to_node = stream_frame(MessageType::InputStreamData, sequence, payload_type, noise);
        let most = 8 * 1024 + 2 * to_client.len();
        let (_, by_client) = allocated_by(|| drop(client.handle_message(to_client, at(0))));
        let (_, by_node) = allocated_by(|| drop(node.handle_message(to_node, at(0))));
        prop_assert!(by_client <= most && by_node <= most, "{} and {} bytes", by_client, by_node);
    }
}

/// Encoding takes one allocation of exactly the frame's length.
#[test]
fn encoding_allocates_the_frame_alone() {
    let frame = Frame::decode(output(0, vec![7; 1000])).expect("a sound frame");
    let (encoded, allocated) = allocated_by(|| frame.encode());
    // The bytes are counted by reference, which takes a small header of its own.
    assert!(
        (encoded.len()..encoded.len() + 64).contains(&allocated),
        "{allocated}"
    );
}

/// Looking on at a tunnel costs nothing while its connections only carry data.
#[test]
fn looking_on_at_data_allocates_nothing() {
    let mut flows = Flows::new(true);
    let our_own = |kind, body: &[u8]| [&[kind, 0, 0, 0, 0, 0, 0, 1], body].concat();
    flows.observe(Side::Client, PayloadType::Multiplexed, &our_own(0, b"{}"), 1);
    flows.observe(Side::Client, PayloadType::Output, &[1, 0, 0, 0, 3, 0, 0, 0], 1);
    let data = our_own(3, &[7; 30_000]);
    let smux: Vec<u8> = [&[1, 2, 0xff, 0xff, 3, 0, 0, 0][..], &[7; 0xffff]].concat();
    let (_, allocated) = allocated_by(|| {
        for way in [Side::Client, Side::Node] {
            flows.observe(way, PayloadType::Multiplexed, &data, 2);
            for frame in smux.chunks(1000) {
                flows.observe(way, PayloadType::Output, frame, 2);
            }
        }
    });
    assert_eq!((allocated, flows.live()), (0, 2));
}

/// A handshake document is bounded before anything of free shape is built from it.
#[test]
fn a_handshake_of_a_megabyte_builds_nothing() {
    let bomb = format!(r#"{{"RequestedClientActions":[{}0]}}"#, "[],".repeat(300_000));
    let frame = stream_frame(
        MessageType::OutputStreamData,
        0,
        PayloadType::HandshakeRequest,
        bomb,
    );
    let mut client = client();
    let (_, allocated) = allocated_by(|| drop(client.handle_message(frame, at(0))));
    assert!(allocated < 8 * 1024, "{allocated}");
}

/// Runs `action` and returns how many bytes this thread asked for meanwhile.
fn allocated_by<T>(action: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATED.get();
    let result = action();
    (result, ALLOCATED.get() - before)
}

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

/// Counts what every thread asks for and leaves the rest to the system.
struct Counting;

// SAFETY: every call goes to `System` with the caller's own arguments; counting touches only a thread-local integer that
// needs neither allocation nor destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + layout.size());
        // SAFETY: the caller keeps `GlobalAlloc::alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `GlobalAlloc::dealloc`'s contract, and the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + size.saturating_sub(layout.size()));
        // SAFETY: the caller keeps `GlobalAlloc::realloc`'s contract, and the pointer came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;
