//! Addresses that a webhook does not reach unless the recipe allows its host by name: those of the link,
//! where cloud machines find their own credentials, and the clouds' other metadata services.
//!
//! The look-up itself is watched, not a look-up before it: a name that answers otherwise the second time
//! (DNS rebinding) gets no further.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Metadata services that do not stand at a link-local address.
const METADATA: [IpAddr; 5] = [
    // Alibaba Cloud
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Azure's platform address
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Oracle Cloud, older machines
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // Amazon EC2
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    // Google Cloud
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Whether an address is link-local or a metadata service's, however it is written.
pub(super) fn is_refused(address: IpAddr) -> bool {
    let address = match address.to_canonical() {
        IpAddr::V6(v6) => within_nat64(v6).map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 => v4,
    };
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    is_link_local || METADATA.contains(&address)
}

/// The IPv4 address that a NAT64 gateway would make of `64:ff9b::/96`.
fn within_nat64(address: Ipv6Addr) -> Option<Ipv4Addr> {
    const PREFIX: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
    let octets = address.octets();
    let [.., a, b, c, d] = octets;
    octets.starts_with(&PREFIX).then(|| Ipv4Addr::new(a, b, c, d))
}

/// A name that leads to nothing but refused addresses.
#[derive(Debug, thiserror::Error)]
#[error(
    "{host} leads to {address}, a link-local or metadata address, which a webhook does not reach; if it is meant, add the host to `allowed_hosts`"
)]
pub(super) struct Refused {
    host: String,
    address: IpAddr,
}

/// Looks names up, and leaves out refused addresses.
#[derive(Debug)]
pub(super) struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let admitted = admitted(name.as_str(), found)?;
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

fn admitted(host: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
    let (refused, admitted): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| is_refused(address.ip()));
    match refused.first() {
        Some(address) if admitted.is_empty() => Err(Refused { host: host.to_owned(), address: address.ip() }),
        _ => Ok(admitted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_addresses_are_refused_in_every_notation() {
        for refused in [
            "169.254.169.254",
            "169.254.0.1",
            "fe80::1",
            "febf::1",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
        ] {
            assert!(is_refused(refused.parse().unwrap()), "{refused}");
        }
        for admitted in ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd00::1", "8.8.8.8", "2001:db8::1"] {
            assert!(!is_refused(admitted.parse().unwrap()), "{admitted}");
        }
    }

    #[test]
    fn a_name_is_refused_if_it_leads_to_nothing_else() {
        let address = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 0);
        let metadata = address("169.254.169.254");
        let error = admitted("metadata.internal", vec![metadata]).unwrap_err();
        assert!(error.to_string().contains("`allowed_hosts`"), "{error}");
        let other = address("10.0.0.7");
        assert_eq!(admitted("host", vec![metadata, other]).unwrap(), [other]);
    }
}
