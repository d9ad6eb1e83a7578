//! TCP of guests: to a metadata service of their network, or not for us.

use super::guard::Asker;
use super::{AnswerKind, Answered, Ingress, Reason, Trace, Verdict};
use crate::lease::LeaseTable;
use crate::types::ip6;
use crate::wire::envelope::Layer;
use crate::wire::frame::Frame;
use crate::wire::tcp::Tcp;

pub(super) fn answer<T: Trace>(
    table: &LeaseTable,
    frame: &Frame<'_>,
    ingress: &Ingress<'_>,
    out: &mut [u8],
    trace: &mut T,
) -> Answered {
    let asker = match Asker::find(table, frame, ingress.device, trace) {
        Ok(asker) => asker,
        // Strangers' connections are their own business, as long as they cross routers: a service is mostly on the link.
        Err(reason) if ip6::is_link_local(frame.destination) => {
            return Answered { verdict: Verdict::Drop(reason), port: None };
        }
        Err(_) => return Answered { verdict: Verdict::Pass, port: None },
    };
    let port = Some(asker.port.id());
    let own = asker.frame.destination.octets();
    if asker.network.services().iter().all(|service| service.address != own) {
        trace.note(|| format!("{} is no service address of the network", frame.destination));
        return Answered { verdict: Verdict::Pass, port };
    }
    let verdict = serve(&asker, ingress, out, trace).unwrap_or_else(Verdict::Drop);
    Answered { verdict, port }
}

fn serve<T: Trace>(
    asker: &Asker<'_, '_>,
    ingress: &Ingress<'_>,
    out: &mut [u8],
    trace: &mut T,
) -> Result<Verdict, Reason> {
    let frame = asker.frame;
    if !frame.is_checksum_right(ingress.checksum) {
        return Err(Reason::BadChecksum);
    }
    let tcp = Tcp::parse(frame.message).map_err(|_| Reason::BadTcp)?;
    if !asker.is_its_address() {
        return Err(Reason::BadSource);
    }
    let (own, port) = (frame.destination.octets(), tcp.destination_port);
    if asker.network.services().iter().any(|service| service.address == own && service.port.get() == port) {
        trace.note(|| format!("a metadata service: [{}]:{port}", frame.destination));
        return Ok(Verdict::Metadata);
    }
    trace.note(|| format!("RFC 9293 §3.10.7.1: nothing listens at [{}]:{port}", frame.destination));
    let mut open = asker.open(out, frame.destination, frame.source, Layer::Tcp)?;
    match tcp.reset(&mut open)? {
        Some(()) => Ok(Verdict::Answer { kind: AnswerKind::TcpReset, length: open.seal()? }),
        None => Ok(Verdict::Pass),
    }
}
