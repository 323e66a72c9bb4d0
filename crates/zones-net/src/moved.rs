//! Links of the host that are lent to a zone, and that come back as they went.
//!
//! The zone may give its link another name, other names besides, another hardware address, size or
//! description; none of that is left. Settings below `/proc/sys/net` and addresses go with each
//! move by themselves.

use std::fmt;
use std::os::fd::AsFd;
use std::str::FromStr;

use rustix::io::Errno;

use crate::socket::current_netns;
use crate::{IfName, IpNet, Link, LinkKind, Mac, NetError, Netlink};

/// A link of the host that a zone has, and all that is put back.
///
/// Prints as one line and reads back, so that it survives whoever lent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedLink {
    /// Its name on the host.
    pub link: IfName,
    /// Its name in the zone.
    pub zone: IfName,
    /// Its number in the zone, once it is there: the zone can change its name.
    pub inside: Option<u32>,
    /// As it was.
    pub before: Link,
    /// The addresses it had on the host.
    pub addresses: Vec<IpNet>,
}

impl MovedLink {
    /// Gives the link to the zone.
    pub(crate) fn lend(
        &self,
        host: &mut Netlink,
        zone: &mut Netlink,
        netns: impl AsFd,
    ) -> Result<u32, NetError> {
        host.set_down(&self.link)?;
        host.alternatives(self.before.index, &self.before.alternatives, false)?;
        host.move_as(self.before.index, &self.zone, netns.as_fd())?;
        zone.index(&self.zone)
    }

    /// Takes the link back, out of `zone` or from where the kernel has put it: hardware whose
    /// namespace dies goes to the first namespace of the host, with all that the zone did to it.
    pub(crate) fn take_back(
        &self,
        host: &mut Netlink,
        zone: Option<&mut Netlink>,
    ) -> Result<(), NetError> {
        if let Some(zone) = zone
            && let Some(found) = self.find(zone, self.inside, &self.zone)?
        {
            // A name that is taken on the host would keep the link in the zone.
            zone.alternatives(found.index, &found.alternatives, false)?;
            zone.reset(found.index, &self.before)?;
            zone.move_as(found.index, &self.link, current_netns()?.as_fd())?;
        }
        let Some(found) = self.find(host, None, &self.link)? else {
            return Ok(());
        };
        host.reset(found.index, &self.before)?;
        if found.name != self.link.as_str() {
            host.move_as(found.index, &self.link, current_netns()?.as_fd())?;
        }
        let (had, has) = (&self.before.alternatives, &found.alternatives);
        host.alternatives(found.index, &without(has, had), false)?;
        host.alternatives(found.index, &without(had, has), true)?;
        if self.before.up {
            host.set_up(&self.link)?;
        }
        self.addresses
            .iter()
            .try_for_each(|net| host.add_address(found.index, *net))
    }

    /// The link itself among those of a namespace: by number where it is known, by the address it
    /// was built with, and by name only as long as nobody in the zone could have changed that.
    fn find(
        &self,
        side: &mut Netlink,
        index: Option<u32>,
        name: &IfName,
    ) -> Result<Option<Link>, NetError> {
        let is_it = |link: &Link| match (index, self.before.permanent) {
            (Some(index), _) => link.index == index,
            (None, Some(built)) => link.permanent == Some(built) && link.kind == self.before.kind,
            (None, None) => link.name == name.as_str(),
        };
        Ok(side.links()?.into_iter().find(is_it))
    }
}

fn without(names: &[String], others: &[String]) -> Vec<String> {
    let left = names.iter().filter(|name| !others.contains(name));
    left.cloned().collect()
}

impl fmt::Display for MovedLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Link {
            index,
            up,
            mac,
            mtu,
            queue,
            alias,
            permanent,
            alternatives,
            ..
        } = &self.before;
        write!(f, "link {} {} index={index}", self.link, self.zone)?;
        write!(f, " up={up} mtu={mtu} queue={queue}")?;
        if let LinkKind::Virtual(kind) = &self.before.kind {
            write!(f, " kind={kind}")?;
        }
        if let Some(inside) = self.inside {
            write!(f, " inside={inside}")?;
        }
        if let Some(mac) = mac {
            write!(f, " mac={mac}")?;
        }
        if let Some(permanent) = permanent {
            write!(f, " permanent={permanent}")?;
        }
        for name in alternatives {
            write!(f, " name={name}")?;
        }
        for net in &self.addresses {
            write!(f, " address={net}")?;
        }
        // Last: it may hold blanks.
        match alias {
            Some(alias) => write!(f, " alias={}", alias.replace('\n', " ")),
            None => Ok(()),
        }
    }
}

impl FromStr for MovedLink {
    type Err = Errno;

    fn from_str(line: &str) -> Result<Self, Errno> {
        fn read<T: FromStr>(text: &str) -> Result<T, Errno> {
            text.parse().map_err(|_| Errno::INVAL)
        }
        let (line, alias) = match line.split_once(" alias=") {
            Some((line, alias)) => (line, Some(alias.to_owned())),
            None => (line, None),
        };
        let mut words = line.split(' ').skip(1);
        let link: IfName = read(words.next().ok_or(Errno::INVAL)?)?;
        let zone = read(words.next().ok_or(Errno::INVAL)?)?;
        let mut moved = Self {
            before: Link {
                index: 0,
                name: link.as_str().to_owned(),
                kind: LinkKind::Physical,
                up: false,
                mac: None,
                mtu: 0,
                master: None,
                alias,
                permanent: None,
                queue: 0,
                alternatives: Vec::new(),
            },
            link,
            zone,
            inside: None,
            addresses: Vec::new(),
        };
        let before = &mut moved.before;
        for word in words {
            let (key, value) = word.split_once('=').ok_or(Errno::INVAL)?;
            match key {
                "index" => before.index = read(value)?,
                "up" => before.up = read(value)?,
                "mtu" => before.mtu = read(value)?,
                "queue" => before.queue = read(value)?,
                "kind" => before.kind = LinkKind::Virtual(value.to_owned()),
                "inside" => moved.inside = Some(read(value)?),
                "mac" => before.mac = Some(read::<Mac>(value)?),
                "permanent" => before.permanent = Some(read::<Mac>(value)?),
                "name" => before.alternatives.push(value.to_owned()),
                "address" => moved.addresses.push(read(value)?),
                _ => return Err(Errno::INVAL),
            }
        }
        Ok(moved)
    }
}
