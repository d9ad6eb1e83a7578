//! A bounded cursor over the octets of an answer. Lengths are patched by the writer, never computed twice.

use zerocopy::network_endian::U16;
use zerocopy::{Immutable, IntoBytes, Unaligned};

/// The buffer ended before the message did; what was written so far is worthless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the buffer is full")]
pub struct Full;

/// An option of DHCPv6 with fields of a fixed size (RFC 9915 §21.1).
#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct DhcpOption<T> {
    code: U16,
    length: U16,
    fields: T,
}

/// Writes forward into a borrowed buffer and never past its end.
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    at: usize,
}

impl<'b> Writer<'b> {
    /// Starts at the first octet of `buffer`.
    #[must_use]
    pub fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, at: 0 }
    }

    /// Octets written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.at
    }

    /// True before the first octet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at == 0
    }

    /// The octets written so far.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        self.buffer.get(..self.at).unwrap_or(&[])
    }

    /// The octets written so far, to fill in what was not known when they were written.
    pub fn written_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(..self.at).unwrap_or(&mut [])
    }

    /// Forgets everything after the first `length` octets; longer than what is written changes nothing.
    pub fn truncate(&mut self, length: usize) {
        self.at = self.at.min(length);
    }

    /// Appends octets.
    ///
    /// # Errors
    /// [`Full`] when they do not fit.
    #[inline]
    pub fn put(&mut self, octets: &[u8]) -> Result<(), Full> {
        let end = self.at.checked_add(octets.len()).ok_or(Full)?;
        self.buffer.get_mut(self.at..end).ok_or(Full)?.copy_from_slice(octets);
        self.at = end;
        Ok(())
    }

    /// Appends `count` zero octets.
    ///
    /// # Errors
    /// [`Full`] when they do not fit.
    pub fn zeros(&mut self, count: usize) -> Result<(), Full> {
        let end = self.at.checked_add(count).ok_or(Full)?;
        self.buffer.get_mut(self.at..end).ok_or(Full)?.fill(0);
        self.at = end;
        Ok(())
    }

    /// Appends one octet.
    ///
    /// # Errors
    /// [`Full`] when it does not fit.
    #[inline]
    pub fn u8(&mut self, value: u8) -> Result<(), Full> {
        self.put(&[value])
    }

    /// Appends 16 bits in network order.
    ///
    /// # Errors
    /// [`Full`] when they do not fit.
    #[inline]
    pub fn u16(&mut self, value: u16) -> Result<(), Full> {
        self.put(&value.to_be_bytes())
    }

    /// Appends 32 bits in network order.
    ///
    /// # Errors
    /// [`Full`] when they do not fit.
    #[inline]
    pub fn u32(&mut self, value: u32) -> Result<(), Full> {
        self.put(&value.to_be_bytes())
    }

    /// Overwrites octets written before, at `offset`.
    ///
    /// # Errors
    /// [`Full`] when they reach beyond what is written.
    #[inline]
    pub fn patch(&mut self, offset: usize, octets: &[u8]) -> Result<(), Full> {
        let end = offset.checked_add(octets.len()).filter(|end| *end <= self.at).ok_or(Full)?;
        self.buffer.get_mut(offset..end).ok_or(Full)?.copy_from_slice(octets);
        Ok(())
    }

    /// Appends a 16-bit length and what `body` writes; the length counts the body's octets only.
    ///
    /// # Errors
    /// What `body` returns, or [`Full`] when the body does not fit or is longer than 65535 octets.
    #[inline]
    pub fn length16<E: From<Full>>(
        &mut self,
        body: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.u16(0)?;
        self.counted(body)
    }

    /// Appends an option of DHCPv6: its code, the length of what `body` writes, and that (RFC 9915 §21.1).
    ///
    /// # Errors
    /// As [`length16`](Self::length16).
    #[inline]
    pub fn dhcp_option<E: From<Full>>(
        &mut self,
        code: u16,
        body: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let [high, low] = code.to_be_bytes();
        self.put(&[high, low, 0, 0])?;
        self.counted(body)
    }

    /// Appends an option of DHCPv6 whose value is these fields (RFC 9915 §21.1).
    ///
    /// # Errors
    /// [`Full`] when it does not fit.
    #[inline]
    pub fn dhcp_fields<T: IntoBytes + Immutable + Unaligned>(
        &mut self,
        code: u16,
        fields: T,
    ) -> Result<(), Full> {
        let length = u16::try_from(size_of::<T>()).map_err(|_| Full)?;
        self.put(DhcpOption { code: code.into(), length: length.into(), fields }.as_bytes())
    }

    /// Appends an option of DHCPv6 whose value is these fields and what `body` writes (RFC 9915 §21.1).
    ///
    /// # Errors
    /// As [`length16`](Self::length16).
    #[inline]
    pub fn dhcp_fields_and<T: IntoBytes + Immutable + Unaligned, E: From<Full>>(
        &mut self,
        code: u16,
        fields: T,
        body: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.at.saturating_add(4);
        self.dhcp_fields(code, fields)?;
        body(self)?;
        Ok(self.count(start)?)
    }

    /// Puts the length of what `body` appends into the two octets before it.
    #[inline]
    fn counted<E: From<Full>>(&mut self, body: impl FnOnce(&mut Self) -> Result<(), E>) -> Result<(), E> {
        let start = self.at;
        body(self)?;
        Ok(self.count(start)?)
    }

    /// Puts the octets written from `start` on into the two octets before it.
    #[inline]
    fn count(&mut self, start: usize) -> Result<(), Full> {
        let length = u16::try_from(self.at.saturating_sub(start)).map_err(|_| Full)?;
        let field = self.buffer.get_mut(..start).and_then(<[u8]>::last_chunk_mut).ok_or(Full)?;
        *field = length.to_be_bytes();
        Ok(())
    }

    /// Appends a Neighbor Discovery option: its type, its length in units of eight octets, what `body` writes, and
    /// zeros up to the next multiple of eight (RFC 4861 §4.6).
    ///
    /// # Errors
    /// What `body` returns, or [`Full`] when it does not fit or is longer than 255 units.
    pub fn nd_option(
        &mut self,
        kind: u8,
        body: impl FnOnce(&mut Self) -> Result<(), Full>,
    ) -> Result<(), Full> {
        let start = self.at;
        self.put(&[kind, 0])?;
        body(self)?;
        let written = self.at.saturating_sub(start);
        let units = written.div_ceil(8);
        self.zeros(units.saturating_mul(8).saturating_sub(written))?;
        let units = u8::try_from(units).map_err(|_| Full)?;
        self.patch(start.saturating_add(1), &[units])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_patched_and_nested() {
        let mut buffer = [0xa5; 16];
        let mut out = Writer::new(&mut buffer);
        out.u16(3).expect("fits");
        out.length16::<Full>(|out| {
            out.u32(7)?;
            out.u16(5)?;
            out.length16(|out| out.put(b"ab"))
        })
        .expect("fits");
        assert_eq!(out.written(), [0, 3, 0, 10, 0, 0, 0, 7, 0, 5, 0, 2, b'a', b'b']);
    }

    #[test]
    fn nd_options_are_padded_with_zeros() {
        let mut buffer = [0xa5; 16];
        let mut out = Writer::new(&mut buffer);
        out.nd_option(37, |out| out.put(b"urn:abc")).expect("fits");
        assert_eq!(out.written(), b"\x25\x02urn:abc\0\0\0\0\0\0\0");
    }

    #[test]
    fn a_full_buffer_is_an_error_and_nothing_is_written_past_it() {
        let mut buffer = [0xa5; 4];
        let mut out = Writer::new(buffer.get_mut(..3).expect("three octets"));
        assert_eq!(out.u32(1), Err(Full));
        assert_eq!(out.put(&[1, 2, 3]), Ok(()));
        assert_eq!(out.u8(4), Err(Full));
        assert_eq!(out.patch(2, &[9, 9]), Err(Full));
        assert_eq!(buffer, [1, 2, 3, 0xa5]);
    }
}
