use proptest::prelude::*;

use super::*;
use crate::flannel::leases::tests::lease;

fn config() -> Config {
    Config {
        network: "10.5.0.0/16".parse().unwrap(),
        subnet_len: None,
        subnet_min: None,
        subnet_max: None,
        backend: "vxlan".into(),
        backend_options: Map::new(),
    }
}

fn stored(text: &Value) -> Stored {
    Stored { text: text.to_string(), revision: 7 }
}

fn leases(known: &[Lease]) -> Leases {
    Leases { known: known.to_vec(), count: known.len() as u64 }
}

fn decide(config: &Config, there: &Value, known: &[Lease]) -> Decision {
    config.decide(Some(&stored(there)), &leases(known))
}

/// The text that is written, and whether it moves addresses.
fn written(decision: Decision) -> (Value, bool) {
    let Decision::Write(change) = decision else { panic!("{decision:?}") };
    assert_eq!(change.seen, Some(7));
    (serde_json::from_str(&change.text).unwrap(), change.moves_addresses)
}

fn options(options: Value) -> Map<String, Value> {
    serde_json::from_value(options).unwrap()
}

#[test]
fn what_says_the_same_in_other_words_is_left_as_it_is() {
    let same = [
        json!({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}),
        json!({"Network": "10.5.3.1/16", "Backend": {"Type": "VXLAN"}}),
        json!({"network": "10.5.0.0/16", "backend": {"type": "vxlan"}}),
        json!({"Network": "10.5.0.0/16", "SubnetLen": 24, "Backend": {"Type": "vxlan"}}),
        json!({"Network": "10.5.0.0/16", "SubnetLen": 0, "Backend": {"Type": "vxlan"}}),
        json!({"Network": "10.5.0.0/16", "SubnetMin": "10.5.1.0", "SubnetMax": "10.5.255.0",
               "Backend": {"Type": "vxlan"}}),
        json!({"Network": "10.5.0.0/16", "SubnetMin": "0.0.0.0", "Backend": {"Type": "vxlan"}}),
        json!({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan", "VNI": 7}, "Other": [1]}),
        json!({"Network": "10.5.0.0/16", "EnableIPv4": true, "Backend": {"Type": "vxlan"}}),
    ];
    for there in same {
        let known = [lease([1, 2, 3, 4], "10.5.34.0/24")];
        assert_eq!(decide(&config(), &there, &known), Decision::InPlace, "{there}");
    }
}

#[test]
fn a_configuration_that_is_not_there_is_made_where_nobody_has_a_lease() {
    let decision = config().decide(None, &Leases::default());
    let Decision::Write(change) = decision else { panic!("{decision:?}") };
    assert_eq!((change.seen, change.moves_addresses), (None, true));
    let text: Value = serde_json::from_str(&change.text).unwrap();
    assert_eq!(text, json!({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}));
}

#[test]
fn a_lost_configuration_is_made_again_only_if_it_gives_hosts_what_they_have() {
    let fitting = [lease([1, 2, 3, 4], "10.5.34.0/24")];
    let decision = config().decide(None, &leases(&fitting));
    let Decision::Write(change) = decision else { panic!("{decision:?}") };
    assert!(!change.moves_addresses, "there are leases, and they stay good");
    for lost in ["10.6.34.0/24", "10.5.34.0/25", "10.5.0.0/24"] {
        let lost = lease([1, 2, 3, 5], lost);
        let decision = config().decide(None, &leases(&[fitting[0].clone(), lost.clone()]));
        let expected = Refusal::InUse { leases: vec![lost], count: 1 };
        assert_eq!(decision, Decision::Refused(expected));
    }
}

#[test]
fn what_others_set_is_kept() {
    let there = json!({
        "Network": "10.5.0.0/16", "EnableIPv6": true, "IPv6Network": "fc00::/48", "mine": {"a": 1},
        "Backend": {"Type": "vxlan", "VNI": 7, "Port": 8472},
    });
    let backend_options = options(json!({"Port": 4789, "DirectRouting": true}));
    let config = Config { backend_options, ..config() };
    let (text, moves) = written(decide(&config, &there, &[lease([1, 2, 3, 4], "10.5.34.0/24")]));
    assert!(!moves, "another port moves no address");
    let mut expected = there;
    expected["Backend"] = json!({"Type": "vxlan", "VNI": 7, "Port": 4789, "DirectRouting": true});
    assert_eq!(text, expected);
}

#[test]
fn settings_of_another_backend_go_with_it() {
    let there = json!({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan", "VNI": 7}});
    let config = Config { backend: "host-gw".into(), ..config() };
    let (text, _) = written(decide(&config, &there, &[]));
    assert_eq!(text["Backend"], json!({"Type": "host-gw"}));
}

#[test]
fn a_backend_that_is_not_named_is_named() {
    for there in [
        json!({"Network": "10.5.0.0/16"}),
        json!({"Network": "10.5.0.0/16", "Backend": {}}),
        json!({"Network": "10.5.0.0/16", "Backend": null}),
    ] {
        let (text, moves) = written(decide(&config(), &there, &[]));
        assert_eq!((&text["Backend"]["Type"], moves), (&json!("vxlan"), false), "{there}");
    }
}

#[test]
fn a_key_in_two_spellings_becomes_one() {
    let there = json!({
        "network": "10.9.0.0/16", "Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"},
    });
    let (text, _) = written(decide(&config(), &there, &[]));
    assert_eq!(text, json!({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}));
}

#[test]
fn a_network_that_was_switched_off_is_switched_on() {
    let there = json!({
        "Network": "10.5.0.0/16", "EnableIPv4": false, "Backend": {"Type": "vxlan"},
    });
    let (text, _) = written(decide(&config(), &there, &[]));
    assert_eq!(text["EnableIPv4"], true);
}

#[test]
fn other_addresses_are_refused_while_anybody_has_a_lease() {
    let there = json!({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}});
    let others = [
        Config { network: "10.6.0.0/16".parse().unwrap(), ..config() },
        Config { network: "10.4.0.0/15".parse().unwrap(), ..config() },
        Config { subnet_len: Some(25), ..config() },
        Config { subnet_min: Some([10, 5, 9, 0].into()), ..config() },
        Config { subnet_max: Some([10, 5, 9, 0].into()), ..config() },
    ];
    let known: Vec<_> = (0..12).map(|it| lease([1, 2, 3, it], "10.5.34.0/24")).collect();
    for config in others {
        let refused = Refusal::InUse { leases: known[..10].to_vec(), count: 12 };
        assert_eq!(decide(&config, &there, &known), Decision::Refused(refused));
        // One that can't be read may be any host's.
        let unreadable = Leases { known: Vec::new(), count: 1 };
        let refused = Refusal::InUse { leases: Vec::new(), count: 1 };
        let decision = config.decide(Some(&stored(&there)), &unreadable);
        assert_eq!(decision, Decision::Refused(refused));
        let (text, moves_addresses) = written(decide(&config, &there, &[]));
        assert!(moves_addresses, "{text}");
    }
}

#[test]
fn what_can_not_be_read_is_not_overwritten() {
    for text in ["", "no JSON", "[]", "\"10.5.0.0/16\""] {
        let stored = Stored { text: text.into(), revision: 7 };
        let decision = config().decide(Some(&stored), &Leases::default());
        assert!(matches!(decision, Decision::Refused(Refusal::Unreadable(_))), "{text}");
    }
}

#[test]
fn what_flanneld_would_not_take_is_refused_with_the_field() {
    let network = |it: &str| Config { network: it.parse().unwrap(), ..config() };
    let len = |it: u8| Config { subnet_len: Some(it), ..config() };
    let cases = [
        (len(17), ConfigError::SubnetLen),
        (len(31), ConfigError::SubnetLen),
        (network("10.5.0.0/29"), ConfigError::Network),
        (Config { subnet_len: Some(30), ..network("10.5.0.0/29") }, ConfigError::Network),
        (network("0.0.0.0/0"), ConfigError::Network),
        (
            Config { subnet_min: Some([0; 4].into()), ..network("0.0.0.0/8") },
            ConfigError::End("subnetMin"),
        ),
        (
            Config { subnet_min: Some([10, 5, 0, 1].into()), ..config() },
            ConfigError::End("subnetMin"),
        ),
        (
            Config { subnet_max: Some([10, 6, 0, 0].into()), ..config() },
            ConfigError::End("subnetMax"),
        ),
        (
            Config {
                subnet_min: Some([10, 5, 9, 0].into()),
                subnet_max: Some([10, 5, 8, 0].into()),
                ..config()
            },
            ConfigError::Ends,
        ),
        (Config { backend: String::new(), ..config() }, ConfigError::Backend),
        (
            Config { backend_options: options(json!({"type": "udp"})), ..config() },
            ConfigError::Type,
        ),
    ];
    for (config, expected) in cases {
        assert_eq!(config.check(), Err(expected), "{config:?}");
    }
    for good in [config(), len(18), len(30), network("10.5.0.0/28"), network("0.0.0.0/8")] {
        assert_eq!(good.check(), Ok(()), "{good:?}");
    }
}

fn any_options() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![
        any::<u16>().prop_map(|it| json!(it)),
        any::<bool>().prop_map(|it| json!(it)),
        "[a-z]{0,3}".prop_map(|it| json!(it)),
    ];
    // In lower case: of two that differ in case only one could be said.
    prop::collection::btree_map("[a-z]{1,3}", value, 0..3).prop_map(|it| it.into_iter().collect())
}

/// Configurations, good and bad.
fn any_config() -> impl Strategy<Value = Config> {
    let network = (any::<u32>(), 0_u8..=32);
    let end = || prop::option::of(any::<u32>().prop_map(Ipv4Addr::from));
    let len = prop::option::of(any::<u8>());
    (network, len, end(), end(), "[a-z-]{0,8}", any_options()).prop_map(
        |((address, prefix), subnet_len, subnet_min, subnet_max, backend, backend_options)| {
            let network = Ipv4Net::new(address.into(), prefix).unwrap();
            Config { network, subnet_len, subnet_min, subnet_max, backend, backend_options }
        },
    )
}

/// Configurations that flanneld takes.
fn good_config() -> impl Strategy<Value = Config> {
    let part = |config: &Config, at: u32| {
        let range = config.range();
        let size = 1_u32 << (32 - range.subnet_len);
        let parts = 1_u32 << (range.subnet_len - config.network.prefix_len()).min(16);
        Ipv4Addr::from(u32::from(config.network.first()) + (at % parts) * size)
    };
    let ends = prop::option::of((any::<u32>(), any::<u32>()));
    (any_config(), 1_u8..=28, any::<u8>(), ends).prop_map(move |(config, prefix, len, ends)| {
        let network = Ipv4Net::new(config.network.first(), prefix).unwrap();
        let subnet_len = config.subnet_len.map(|_| prefix + 2 + len % (29 - prefix));
        let backend = format!("a{}", config.backend);
        let config =
            Config { network, subnet_len, subnet_min: None, subnet_max: None, backend, ..config };
        let ends = ends.map(|(a, b)| (part(&config, a.min(b)), part(&config, a.max(b))));
        let ends = ends.filter(|(min, max)| min <= max && !min.is_unspecified());
        Config { subnet_min: ends.map(|it| it.0), subnet_max: ends.map(|it| it.1), ..config }
    })
}

proptest! {
    #[test]
    fn what_was_written_is_in_place(wanted in good_config(), there in any_config()) {
        prop_assert_eq!(wanted.check(), Ok(()));
        let mut there = there.written_over(Map::new());
        there.insert("Other".into(), json!([1, null]));
        match decide(&wanted, &Value::Object(there), &[]) {
            Decision::InPlace => {}
            Decision::Refused(refusal) => prop_assert!(false, "{refusal:?}"),
            Decision::Write(change) => {
                let text: Value = serde_json::from_str(&change.text).unwrap();
                prop_assert_eq!(&text["Other"], &json!([1, null]));
                prop_assert_eq!(decide(&wanted, &text, &[]), Decision::InPlace);
            }
        }
    }

    #[test]
    fn nothing_declared_or_stored_makes_a_decision_panic(
        wanted in any_config(),
        there in any_config(),
        address in any::<u32>(),
        len in 0_u8..=32,
    ) {
        let _ = wanted.check();
        let there = Value::Object(there.written_over(Map::new()));
        let subnet = Ipv4Net::new(address.into(), len).unwrap().to_string();
        let known = [lease([1, 2, 3, 4], &subnet)];
        let _ = decide(&wanted, &there, &known);
        let _ = wanted.decide(None, &leases(&known));
    }
}
