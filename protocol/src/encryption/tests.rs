use proptest::prelude::*;

use super::*;

fn key() -> DataKey {
    let bytes: Vec<u8> = (0..64).collect();
    DataKey::new(&bytes).unwrap()
}

fn ends() -> (Cipher, Cipher) {
    (
        Cipher::of_node(&key(), [7; 12]),
        Cipher::of_client(&key(), [9; 32]),
    )
}

#[test]
fn the_layout_is_frozen() {
    let (mut node, _) = ends();
    let sealed = node.seal(b"$ ");
    assert_eq!(sealed.len(), 2 + OVERHEAD_BYTES);
    assert_eq!(&sealed[..12], [7; 12]);
    let again = node.seal(b"$ ");
    assert_eq!(again[0], 8, "the count's first byte is the least significant");
    // By another implementation, of the halves named in the module's page.
    let half = aes(&std::array::from_fn(|index| index as u8));
    let mut expected = b"$ ".to_vec();
    half.seal_in_place_append_tag(Nonce::assume_unique_for_key([7; 12]), Aad::empty(), &mut expected)
        .unwrap();
    assert_eq!(&sealed[12..], expected);
}

#[test]
fn each_direction_has_a_key_of_its_own() {
    let (mut node, mut client) = ends();
    let (said, typed) = (node.seal(b"said"), client.seal(b"typed"));
    assert_eq!(client.open(&said).unwrap(), "said");
    assert_eq!(node.open(&typed).unwrap(), "typed");
    assert_eq!(node.open(&said), Err(Undecryptable), "nobody hears himself");
    assert_eq!(client.open(&typed), Err(Undecryptable));
}

#[test]
fn a_key_has_64_bytes() {
    for length in [0, 32, 63, 65, 128] {
        assert_eq!(DataKey::new(&vec![1; length]).map(drop), Err(NotADataKey(length)));
    }
}

#[test]
fn nothing_is_printed() {
    let (node, _) = ends();
    let challenge = Challenge::new([0x41; 64]);
    assert_eq!(
        format!("{node:?} {:?} {challenge:?}", key()),
        "Cipher(..) DataKey(..) Challenge(..)"
    );
}

#[test]
fn a_challenge_is_answered_by_who_has_the_key() {
    let (mut node, mut client) = ends();
    let challenge = Challenge::new(std::array::from_fn(|index| index as u8));
    let question = challenge.ask(&mut node);
    let answered = answer(&super::question(&question, &client).unwrap(), &mut client);
    assert!(challenge.is_answered_by(&answered, &node));
    assert!(
        !challenge.is_answered_by(&question, &node),
        "the question is no answer"
    );
    let other = Challenge::new([1; 64]);
    assert!(!other.is_answered_by(&answered, &node));

    let bytes = [3; 64];
    let mut stranger = Cipher::of_client(&DataKey::new(&bytes).unwrap(), [0; 32]);
    assert_eq!(super::question(&question, &stranger), Err(Undecryptable));
    assert!(!challenge.is_answered_by(&written(&stranger.seal(&bytes)), &node));
}

#[test]
fn a_question_of_another_length_is_not_answered() {
    for length in [0, 1, 63, 65, 200] {
        let (mut node, client) = ends();
        let document = written(&node.seal(&vec![5; length]));
        assert_eq!(question(&document, &client), Err(Undecryptable), "{length}");
    }
}

#[test]
fn odd_challenges_are_nothing() {
    let (node, client) = ends();
    let challenge = Challenge::new([0; 64]);
    let long = format!(r#"{{"Challenge":"{}"}}"#, "A".repeat(2000));
    for odd in [
        "",
        "{}",
        "[]",
        r#"{"Challenge":7}"#,
        r#"{"Challenge":"%"}"#,
        r#"{"Challenge":""}"#,
        &long,
    ] {
        assert_eq!(question(odd.as_bytes(), &client), Err(Undecryptable), "{odd}");
        assert!(!challenge.is_answered_by(odd.as_bytes(), &node), "{odd}");
    }
}

proptest! {
    #[test]
    fn what_is_sealed_opens_again(plain in prop::collection::vec(any::<u8>(), 0..3000)) {
        let (mut node, mut client) = ends();
        let sealed = client.seal(&plain);
        prop_assert_eq!(sealed.len(), plain.len() + OVERHEAD_BYTES);
        prop_assert_eq!(node.open(&sealed).unwrap(), plain.clone());
        prop_assert_ne!(client.seal(&plain), sealed, "a nonce is used once");
        let said = node.seal(&plain);
        prop_assert_eq!(client.open(&said).unwrap(), plain);
    }

    #[test]
    fn whatever_is_changed_does_not_open(
        plain in prop::collection::vec(any::<u8>(), 0..100),
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut node, client) = ends();
        let sealed = node.seal(&plain);
        let mut changed = sealed.to_vec();
        changed[at.index(sealed.len())] ^= 1 << bit;
        prop_assert_eq!(client.open(&changed), Err(Undecryptable));
        prop_assert_eq!(client.open(&sealed[..cut.index(sealed.len())]), Err(Undecryptable));
    }

    #[test]
    fn any_bytes_are_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (_, client) = ends();
        prop_assert_eq!(client.open(&bytes), Err(Undecryptable));
    }
}
