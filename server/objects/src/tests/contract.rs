//! What whoever keeps blobs promises: the same tests over each.

use std::io::ErrorKind;
use std::sync::Arc;

use drawbridge_session::SeededRandom;
use drawbridge_store::RootKey;
use drawbridge_store::blobs::{BlobFolder, Blobs, DataKey, create_sealed, unsealed};
use drawbridge_store::objects::Sealing;

use super::fake::Fake;
use super::{LONG, bucket, id, put, read, some_bytes};

/// Makes a test of each promise, over blobs that an expression makes.
macro_rules! promises {
    ($($promise:ident),+ $(,)?) => {
        mod of_a_folder {
            $(#[tokio::test]
            async fn $promise() {
                let folder = tempfile::tempdir().expect("a folder");
                super::$promise(super::Arc::new(super::BlobFolder::open(folder.path()).expect("opens"))).await;
            })+
        }
        mod of_a_bucket {
            $(#[tokio::test]
            async fn $promise() {
                let fake = super::Fake::start().await;
                super::$promise(super::Arc::new(super::bucket(&fake).await)).await;
                fake.until(|fake| fake.uploads() == 0).await;
            })+
        }
    };
}

promises!(
    what_is_finished_is_read_from_any_offset,
    what_is_not_finished_is_not_there,
    what_was_removed_is_gone_and_is_removed_again,
    listing_goes_on_after_any_blob,
    names_from_outside_are_none,
    sealed_bytes_come_back_in_any_range,
);

async fn what_is_finished_is_read_from_any_offset(blobs: Arc<dyn Blobs>) {
    for (number, length) in (0..).zip([1, 64 * 1024, 256 * 1024, 256 * 1024 + 1, 8 * 1024 * 1024, LONG]) {
        let (id, bytes) = (id(number), some_bytes(length));
        put(blobs.as_ref(), &id, &bytes).await;
        for from in [0, 1, length / 2, length - 1] {
            if from < length {
                let got = read(blobs.as_ref(), &id, from as u64).await.expect("read");
                assert!(got == bytes.slice(from..), "{length} from {from}");
            }
        }
    }
}

async fn what_is_not_finished_is_not_there(blobs: Arc<dyn Blobs>) {
    for (number, length) in [(1, 10), (2, LONG)] {
        let mut writer = blobs.create(&id(number)).await.expect("begun");
        writer.write(some_bytes(length)).await.expect("written");
        let listed = blobs.list(None).await.expect("listed");
        assert!(
            listed.is_empty() || listed == [id(number)],
            "nothing but a file that is being written"
        );
        drop(writer);
    }
    let none = blobs.open(&id(1), 0).await.err().expect("not there");
    assert_eq!(none.kind(), ErrorKind::NotFound);
    assert_eq!(blobs.list(None).await.expect("listed"), Vec::<String>::new());
}

async fn what_was_removed_is_gone_and_is_removed_again(blobs: Arc<dyn Blobs>) {
    put(blobs.as_ref(), &id(1), &some_bytes(10)).await;
    put(blobs.as_ref(), &id(2), &some_bytes(10)).await;
    for _ in 0..2 {
        blobs.remove(&id(1)).await.expect("removed");
    }
    let gone = blobs.open(&id(1), 0).await.err().expect("gone");
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert_eq!(
        read(blobs.as_ref(), &id(2), 0).await.expect("stays"),
        some_bytes(10)
    );
}

async fn listing_goes_on_after_any_blob(blobs: Arc<dyn Blobs>) {
    let mut ids: Vec<String> = [3, 4, 259, 260, 7, 200].into_iter().map(id).collect();
    for id in &ids {
        put(blobs.as_ref(), id, &some_bytes(1)).await;
    }
    let mut all: Vec<String> = Vec::new();
    loop {
        let some = blobs.list(all.last().map(String::as_str)).await.expect("listed");
        if some.is_empty() {
            break;
        }
        all.extend(some);
    }
    ids.sort();
    assert_eq!(all, ids);
}

async fn names_from_outside_are_none(blobs: Arc<dyn Blobs>) {
    for name in [
        "../../../../etc/passwd",
        "",
        "ab",
        "ABCDEF0123456789ABCDEF0123456789",
        "owner",
    ] {
        assert!(blobs.create(name).await.is_err(), "{name}");
        assert!(blobs.open(name, 0).await.is_err(), "{name}");
        assert!(blobs.remove(name).await.is_err(), "{name}");
    }
}

async fn sealed_bytes_come_back_in_any_range(blobs: Arc<dyn Blobs>) {
    let random = SeededRandom::new(1);
    let root = RootKey::ephemeral(&random);
    let bytes = some_bytes(9 * 1024 * 1024);
    let created = create_sealed(blobs.as_ref(), &root, &random).await;
    let (mut writer, sealing) = created.expect("begins");
    writer.write(&bytes).await.expect("written");
    let piece = writer.finish(sealing).await.expect("finished");
    let Sealing::Root(sealed) = &piece.sealing else {
        panic!("sealed under the root key");
    };
    let key = DataKey::open(&root, &piece.blob, sealed).expect("its key");
    for (from, length) in [(0, bytes.len()), (65_535, 2), (8 * 1024 * 1024 - 7, 1000)] {
        let pieces = vec![(piece.clone(), key.clone())];
        let mut chunks = unsealed(Arc::clone(&blobs), pieces, from as u64, length as u64);
        let mut got = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            got.extend_from_slice(&chunk.expect("read"));
        }
        assert!(got == bytes[from..from + length], "{from} and {length} more");
    }
}
