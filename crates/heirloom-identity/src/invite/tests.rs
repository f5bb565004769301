use super::*;
use proptest::prelude::*;

fn plan() -> InvitePlan {
    InvitePlan {
        random: [1; 32],
        account: AccountId([2; 32]),
        device: DeviceId([3; 32]),
        addresses: vec!["/ip4/192.168.1.2/tcp/47470".into(), "/dns4/home/tcp/1".into()],
        role: Role::Keeper,
        ttl_ms: 300_000,
        now_mono_ms: 1_000,
    }
}

#[test]
fn an_invite_is_frozen() {
    let invite = Invite::new(plan());
    assert_eq!(
        invite.link(),
        "heirloom:AQICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMCUF8GDJ5eCnWoy2PmrgNDVAIaAC9pcDQvMTkyLjE2OC4xLjIvdGNwLzQ3NDcwEAAvZG5zNC9ob21lL3RjcC8xCXraLQ"
    );
    assert_eq!(invite.words(), "tackle bless icon youth work cluster");
}

#[test]
fn a_link_says_where_to_go() {
    let invite = Invite::new(plan());
    let link = invite.link();
    let broken = format!(" {}\n {} ", &link[..40], &link[40..]).replacen("heir", "Heir", 1);
    for text in [link, broken] {
        let Ok(Code::Link(code)) = parse_code(&text) else { panic!("not a link") };
        assert_eq!(code.account, AccountId([2; 32]));
        assert_eq!(code.device, DeviceId([3; 32]));
        assert_eq!(code.role, Role::Keeper);
        assert_eq!(code.addresses, plan().addresses);
        assert_eq!(Code::Link(code).mac_key(), invite.mac_key(CodeKind::Link));
    }
}

#[test]
fn six_words_say_only_the_secret() {
    let invite = Invite::new(plan());
    let shouted = invite.words().to_uppercase().replace(' ', "\t ");
    for text in [invite.words(), shouted] {
        let code = parse_code(&text).unwrap();
        assert_eq!(code.kind(), CodeKind::Words);
        assert_eq!(code.mac_key(), invite.mac_key(CodeKind::Words));
    }
    assert_ne!(invite.mac_key(CodeKind::Words), invite.mac_key(CodeKind::Link));
}

#[test]
fn a_wrong_code_says_what_is_wrong() {
    let unknown =
        CodeError::UnknownWord { position: 2, word: "zooo".into(), suggestion: Some("zoo".into()) };
    assert_eq!(parse_code("zoo zooo zoo zoo zoo zoo").unwrap_err(), unknown);
    assert_eq!(
        unknown.to_string(),
        "word 2 is not in the word list: \"zooo\", did you mean \"zoo\""
    );
    assert_eq!(parse_code("zoo zoo").unwrap_err(), CodeError::WordCount(2));
    assert_eq!(parse_code("").unwrap_err(), CodeError::WordCount(0));
    let link = Invite::new(plan()).link();
    assert_eq!(parse_code(&link[..60]).unwrap_err(), CodeError::DamagedLink);
    assert_eq!(parse_code("heirloom:").unwrap_err(), CodeError::DamagedLink);
    assert_eq!(parse_code("heirloom:é").unwrap_err(), CodeError::DamagedLink);
    let mut newer = vec![9, 1, 2];
    newer.extend_from_slice(&check(&newer));
    let newer = format!("heirloom:{}", URL_SAFE_NO_PAD.encode(newer));
    assert_eq!(parse_code(&newer).unwrap_err(), CodeError::NewerLink(9));
}

#[test]
fn an_invite_ends_by_time_use_or_wrong_tries() {
    let mut invite = Invite::new(plan());
    assert_eq!(invite.expires_ms(), 301_000);
    let tries_left = limits::PAIRING_TRIES_MAX;
    assert_eq!(invite.state(300_999), InviteState::Open { tries_left });
    assert_eq!(invite.state(301_000), InviteState::Expired);
    for left in (1..tries_left).rev() {
        assert_eq!(invite.count_wrong_try(), left);
    }
    assert_eq!(invite.state(1_000), InviteState::Open { tries_left: 1 });
    assert_eq!(invite.count_wrong_try(), 0);
    assert_eq!(invite.state(1_000), InviteState::Burned);
    assert_eq!(invite.count_wrong_try(), 0);
    let mut invite = Invite::new(plan());
    invite.use_up(DeviceId([1; 32]));
    assert_eq!(invite.state(1_000), InviteState::Used);
}

#[test]
fn a_link_carries_few_and_short_addresses() {
    let mut addresses: Vec<String> = (0..40).map(|at| format!("/ip4/10.0.0.{at}/tcp/1")).collect();
    addresses.insert(0, "x".repeat(1_000));
    let invite = Invite::new(InvitePlan { addresses, ..plan() });
    let Ok(Code::Link(code)) = parse_code(&invite.link()) else { panic!("not a link") };
    assert_eq!(code.addresses.len(), ADDRESSES_MAX);
    assert_eq!(code.addresses[0], "/ip4/10.0.0.0/tcp/1");
}

#[test]
fn nothing_secret_is_printed() {
    let invite = Invite::new(plan());
    let code = parse_code(&invite.link()).unwrap();
    let words = parse_code(&invite.words()).unwrap();
    let printed = format!("{invite:?} {code:?} {words:?}");
    assert!(printed.contains(
        "Invite { role: Keeper, expires_ms: 301000, tries_left: 4096, used_by: None, .. }"
    ));
    assert!(printed.contains("Words(WordsCode { .. })"));
    assert!(!printed.contains(invite.words().split(' ').next().unwrap()));
}

proptest! {
    #[test]
    fn no_typed_code_panics(text in "(heirloom:)?\\PC{0,60}") {
        let _refused = parse_code(&text);
    }

    #[test]
    fn a_mistyped_link_is_noticed(at in any::<prop::sample::Index>(), letter in "[A-Za-z0-9]") {
        let link = Invite::new(plan()).link();
        let at = LINK_PREFIX.len() + at.index(link.len() - LINK_PREFIX.len());
        let mistyped = format!("{}{letter}{}", &link[..at], &link[at + 1..]);
        prop_assume!(mistyped != link);
        prop_assert!(matches!(parse_code(&mistyped), Err(CodeError::DamagedLink)));
    }
}
