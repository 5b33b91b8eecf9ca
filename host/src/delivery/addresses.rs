//! Which addresses outbound requests may reach. Private ones are refused, because a callback URL is a client's wish and
//! must not become a way into the operator's network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is allowed besides public addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressRule {
    /// Loopback: granted while the server itself listens on loopback.
    pub loopback: bool,
    /// Everything: granted by a side-car.
    pub private: bool,
}

impl AddressRule {
    pub fn allows(self, address: IpAddr) -> bool {
        let address = unmapped(address);
        self.private || is_public(address) || (self.loopback && address.is_loopback())
    }
}

/// IPv4 inside IPv6 is judged as IPv4, or `::ffff:127.0.0.1` would be a way around the rule.
fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// Ranges from the IANA special-purpose address registries.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0
        || a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || a >= 224;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Only 2000::/3 is handed out as global unicast; inside it, these hold no host or hide an IPv4 address.
    let documentation = segments[0] == 0x2001 && segments[1] == 0x0db8;
    let six_to_four = segments[0] == 0x2002;
    let teredo_and_protocols = segments[0] == 0x2001 && segments[1] < 0x0200;
    (segments[0] & 0xe000) == 0x2000 && !documentation && !six_to_four && !teredo_and_protocols
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(rule: AddressRule, text: &str) -> bool {
        rule.allows(text.parse().expect("an address"))
    }

    const PUBLIC: AddressRule = AddressRule { loopback: false, private: false };
    const LOOPBACK: AddressRule = AddressRule { loopback: true, private: false };
    const ALL: AddressRule = AddressRule { loopback: false, private: true };

    #[test]
    fn public_addresses_are_always_allowed() {
        for text in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111"] {
            assert!(allowed(PUBLIC, text), "{text}");
        }
    }

    #[test]
    fn private_addresses_need_a_grant_in_whatever_notation() {
        let private = [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "fe80::1",
            "fc00::1",
            "::",
            "::ffff:10.0.0.1",
            "2002:0a00:0001::",
            "64:ff9b::a00:1",
        ];
        for text in private {
            assert!(!allowed(PUBLIC, text), "{text}");
            assert!(!allowed(LOOPBACK, text), "{text}");
            assert!(allowed(ALL, text), "{text}");
        }
    }

    #[test]
    fn loopback_is_a_grant_of_its_own() {
        for text in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(!allowed(PUBLIC, text), "{text}");
            assert!(allowed(LOOPBACK, text), "{text}");
        }
    }
}
