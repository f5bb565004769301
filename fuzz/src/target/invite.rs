//! What people scan, click and type: links, six words, and the phrase.

use super::{Outcome, Seeds, Target};
use crate::house::{House, keys, phrase};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom_base::{Encode, hash};
use heirloom_identity::invite::LINK_PREFIX;
use heirloom_identity::{Code, Invite, InvitePlan, Phrase, Role, parse_code};
use heirloom_sim::rng::Rng;

pub(super) const TARGET: Target = Target {
    name: "invite",
    body,
    seeds,
    mend,
    words: &["heirloom:", "HEIRLOOM:", "abandon ", "zoo ", " ", "\u{2003}", "\u{fb01}", "_", "="],
    is_lines: false,
    mends_alone: true,
    bytes_max: 1024,
};

/// A text of more words is tried as a phrase.
const PHRASE_FROM_WORDS: usize = 8;

fn body(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    if text.split_whitespace().count() > PHRASE_FROM_WORDS {
        return typed_phrase(&text);
    }
    match parse_code(&text) {
        Ok(Code::Link(link)) => {
            let again = parse_code(&link_of(&link.to_bytes())).expect("a link is read as written");
            let Code::Link(again) = again else { panic!("a link is no words") };
            assert_eq!(again.to_bytes(), link.to_bytes());
            Outcome::accepted(format!("link{}", link.addresses.len()))
        }
        Ok(Code::Words(_)) => Outcome::accepted("words"),
        Err(error) => Outcome::refused(&error),
    }
}

fn typed_phrase(text: &str) -> Outcome {
    match Phrase::parse(text) {
        Ok(phrase) => {
            let words = phrase.words();
            let again = Phrase::parse(&words).expect("a phrase is read as it is written");
            assert_eq!(*again.words(), *words);
            Outcome::accepted("phrase")
        }
        Err(error) => Outcome::refused(&error),
    }
}

/// Returns the link that carries these bytes, whatever they are.
fn link_of(link: &[u8]) -> String {
    let mut bytes = [&[1], link].concat();
    let check: [u8; 4] = hash::truncate(hash::content("invite-link-check", &[&bytes]));
    bytes.extend_from_slice(&check);
    format!("{LINK_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Damages what a link carries, and writes the check that belongs to it.
fn mend(bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    let text = String::from_utf8_lossy(&bytes);
    let Some(code) = text.strip_prefix(LINK_PREFIX) else { return bytes };
    let is_letter = |letter: &char| letter.is_ascii_alphanumeric() || "-_".contains(*letter);
    let letters: String = code.chars().filter(is_letter).collect();
    let whole = letters.get(..letters.len() / 4 * 4).unwrap_or_default();
    let decoded = URL_SAFE_NO_PAD.decode(&letters).or_else(|_| URL_SAFE_NO_PAD.decode(whole));
    let Ok(mut carried) = decoded else { return bytes };
    carried.truncate(carried.len().saturating_sub(4));
    for _ in 0..rng.below(3) {
        let at = rng.index(carried.len().max(1));
        if let Some(byte) = carried.get_mut(at) {
            *byte = rng.below(20) as u8;
        }
    }
    link_of(carried.get(1..).unwrap_or_default()).into_bytes()
}

fn seeds() -> Seeds {
    let invite = |addresses: usize, role: Role| {
        Invite::new(InvitePlan {
            random: [5; 32],
            account: House::get().account(),
            device: keys(1).id(),
            addresses: vec!["/ip4/192.168.1.20/tcp/47470".into(); addresses],
            role,
            ttl_ms: 1_000,
            now_mono_ms: 0,
        })
    };
    let text = |text: String| text.into_bytes();
    let link = invite(2, Role::Member).link();
    vec![
        ("link", text(link.clone())),
        ("link-without-addresses", text(invite(0, Role::BlindKeeper).link())),
        ("link-with-all-addresses", text(invite(16, Role::Keeper).link())),
        ("link-broken-over-lines", text(link.replace('A', "A\r\n ").to_uppercase())),
        ("link-cut", text(link.chars().take(60).collect())),
        ("link-empty", text(LINK_PREFIX.to_owned())),
        ("link-of-nothing", text(link_of(&[]))),
        ("words", text(invite(1, Role::Member).words())),
        ("words-in-capitals", text(invite(1, Role::Member).words().to_uppercase())),
        ("seven-words", text(format!("{} zoo", invite(1, Role::Member).words()))),
        ("phrase", text(phrase().words().to_string())),
        ("phrase-wrong-order", {
            let words = phrase().words().to_string();
            text(words.split(' ').rev().collect::<Vec<_>>().join("  "))
        }),
        ("one-long-word", vec![b'a'; 60_000]),
        ("many-words", "zoo ".repeat(20_000).into_bytes()),
        ("a-prefix-cut-in-a-letter", text("heirloom\u{fb01}\u{fb01}".to_owned())),
    ]
}
