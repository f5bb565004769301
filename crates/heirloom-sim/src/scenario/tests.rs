use super::*;

#[test]
fn base64_is_as_others_write_it() {
    for (plain, text) in
        [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
    {
        assert_eq!(encode_base64(plain.as_bytes()), text);
    }
}

#[test]
fn one_seed_has_one_trace() {
    let (one, again) = (play(5), play(5));
    assert_eq!(one, again);
    assert_ne!(one.trace, play(6).trace);
}

#[test]
fn forty_households_keep_the_promises() {
    let mut answered = 0;
    for seed in 100..140 {
        answered += play(seed).answered;
    }
    assert!(answered > 200, "only {answered} writes were answered: the stories are empty");
}
