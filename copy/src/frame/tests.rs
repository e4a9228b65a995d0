use proptest::prelude::*;

use super::*;

fn reasons() -> impl Strategy<Value = String> {
    "\\PC{0,40}"
}

fn paths() -> impl Strategy<Value = EntryPath> {
    prop::collection::vec("[^/\0]{1,20}", 1..5).prop_filter_map("dots", |names| {
        EntryPath::parse(names.join("/").into_bytes()).ok()
    })
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Folder),
        (any::<u64>(), any::<bool>()).prop_map(|(size, asks)| Kind::File { size, asks }),
        prop::collection::vec(1..=255u8, 1..80).prop_map(|target| Kind::Link { target }),
    ]
}

fn entries() -> impl Strategy<Value = Entry> {
    (paths(), kinds(), 0..=0o777u16, any::<i64>(), 0..1_000_000_000u32).prop_map(
        |(path, kind, mode, seconds, nanoseconds)| Entry {
            path,
            kind,
            mode,
            modified: Modified { seconds, nanoseconds },
        },
    )
}

fn frames() -> impl Strategy<Value = Frame> {
    prop_oneof![
        any::<u16>().prop_map(|version| Frame::Hello { version }),
        entries().prop_map(Frame::Entry),
        any::<u64>().prop_map(|offset| Frame::Start { offset }),
        prop::collection::vec(any::<u8>(), 1..2000).prop_map(Frame::Data),
        any::<Sum>().prop_map(Frame::Sum),
        reasons().prop_map(Frame::Abandon),
        (prop::collection::vec(any::<u8>(), 0..60), reasons())
            .prop_map(|(path, why)| Frame::Missed { path, why }),
        Just(Frame::End),
        any::<(u64, Sum)>().prop_map(|(have, sum)| Frame::Go { have, sum }),
        any::<(u64, Option<Sum>)>().prop_map(|(number, sum)| Frame::Done { number, sum }),
        (any::<u64>(), reasons()).prop_map(|(number, why)| Frame::Refused { number, why }),
        Just(Frame::Finished),
        reasons().prop_map(Frame::Stop),
    ]
}

fn encoded(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        frame.write(&mut bytes);
    }
    bytes
}

fn decoded(bytes: &[u8], piece: usize) -> Result<Vec<Frame>, FrameError> {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        while let Some(frame) = decoder.next_frame()? {
            frames.push(frame);
        }
    }
    assert!(!decoder.is_amid() || frames.is_empty() || bytes.len() > HEAD);
    Ok(frames)
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_pieces_of_any_size(frames in prop::collection::vec(frames(), 1..8), piece in 1..300usize) {
        prop_assert_eq!(decoded(&encoded(&frames), piece).unwrap(), frames);
    }

    #[test]
    fn a_frame_cut_short_is_waited_for(frame in frames(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&[frame]);
        let cut = cut.index(bytes.len());
        let mut decoder = Decoder::default();
        decoder.push(&bytes[..cut]);
        prop_assert_eq!(decoder.next_frame(), Ok(None));
        prop_assert_eq!(decoder.is_amid(), cut > 0);
    }

    #[test]
    fn nothing_damaged_panics(
        frames in prop::collection::vec(frames(), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut bytes = encoded(&frames);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = decoded(&bytes, 64);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decoded(&bytes, 7);
    }
}

fn raw(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
    bytes.extend(content);
    bytes
}

#[test]
fn the_bytes_do_not_change() {
    let entry = Frame::Entry(Entry {
        path: EntryPath::parse(b"a/b".to_vec()).unwrap(),
        kind: Kind::File {
            size: 258,
            asks: true,
        },
        mode: 0o640,
        modified: Modified {
            seconds: 1,
            nanoseconds: 2,
        },
    });
    let mut content = vec![1, 1, 0x01, 0xa0];
    content.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2]);
    content.extend([0, 0, 0, 0, 0, 0, 1, 2, 0, 3]);
    content.extend(b"a/b");
    assert_eq!(encoded(&[entry]), raw(2, &content));
    assert_eq!(
        encoded(&[Frame::Hello { version: 1 }]),
        raw(1, b"drawbridge-copy\0\x01")
    );
    assert_eq!(encoded(&[Frame::End]), raw(8, b""));
}

#[test]
fn lengths_are_refused_before_anything_is_awaited() {
    let mut announced = vec![4];
    announced.extend(u32::MAX.to_be_bytes());
    assert_eq!(decoded(&announced, 5), Err(FrameError::Long(u32::MAX)));
    let mut just_over = vec![4];
    just_over.extend(65_537u32.to_be_bytes());
    assert_eq!(decoded(&just_over, 5), Err(FrameError::Long(65_537)));
    assert_eq!(decoded(&[0, 0, 0, 0, 0], 5), Err(FrameError::Type(0)));
    assert_eq!(decoded(&[99, 0, 0, 0, 0], 5), Err(FrameError::Type(99)));
}

#[test]
fn values_that_may_not_be_are_refused() {
    let entry = |kind: [u8; 2], mode: u16, nanoseconds: u32, size: u64, path: &[u8], target: &[u8]| {
        let mut content = kind.to_vec();
        content.extend(mode.to_be_bytes());
        content.extend(0i64.to_be_bytes());
        content.extend(nanoseconds.to_be_bytes());
        content.extend(size.to_be_bytes());
        content.extend(u16::try_from(path.len()).unwrap().to_be_bytes());
        content.extend(path);
        content.extend(target);
        decoded(&raw(2, &content), 1000)
    };
    assert!(entry([1, 0], 0o777, 0, 5, b"a", b"").is_ok());
    assert!(entry([2, 0], 0o777, 0, 0, b"a", b"../b").is_ok());
    for (what, refused) in [
        ("a setuid file", entry([1, 0], 0o4755, 0, 5, b"a", b"")),
        ("a time", entry([1, 0], 0o644, 1_000_000_000, 5, b"a", b"")),
        ("a kind", entry([3, 0], 0o644, 0, 5, b"a", b"")),
        ("a flag", entry([1, 2], 0o644, 0, 5, b"a", b"")),
        ("a folder with a size", entry([0, 0], 0o644, 0, 5, b"a", b"")),
        ("a file with a target", entry([1, 0], 0o644, 0, 5, b"a", b"b")),
        ("a link to nothing", entry([2, 0], 0o644, 0, 0, b"a", b"")),
        (
            "a link with a zero byte",
            entry([2, 0], 0o644, 0, 0, b"a", b"b\0"),
        ),
    ] {
        assert_eq!(refused, Err(FrameError::Content(2)), "{what}");
    }
    for path in [&b".."[..], b"/etc/x", b"a/../../x", b"a//b", b"", b"a\0"] {
        assert_eq!(
            entry([1, 0], 0o644, 0, 5, path, b""),
            Err(FrameError::Path(PathError::Name))
        );
    }
    for (kind, content) in [(1, &b"SSH-2.0-x"[..]), (1, b"drawbridge-copy\0\x01x")] {
        assert!(decoded(&raw(kind, content), 100).is_err());
    }
    for (kind, length) in [
        (3, 7),
        (3, 9),
        (4, 0),
        (5, 31),
        (6, 513),
        (8, 1),
        (9, 8),
        (10, 9),
        (12, 1),
    ] {
        assert!(
            decoded(&raw(kind, &vec![b'x'; length]), 1000).is_err(),
            "{kind} {length}"
        );
    }
}

#[test]
fn a_reason_is_cut_between_characters() {
    let [Frame::Stop(cut)] = &decoded(&encoded(&[Frame::Stop("é".repeat(400))]), 4096).unwrap()[..] else {
        panic!("one frame")
    };
    assert_eq!(*cut, "é".repeat(256));
}
