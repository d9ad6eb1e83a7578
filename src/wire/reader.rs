//! A forward-only cursor over received octets: what is taken is gone, what is nested gets a reader of its own.

/// The octets ended before what they claim to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the octets end too early")]
pub struct Short;

/// Reads forward and never outside its slice. There is no arithmetic on claimed lengths to get wrong.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first octet.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// What has not been taken yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// True when everything was taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes `count` octets.
    ///
    /// # Errors
    /// [`Short`] when there are fewer; nothing is taken then.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Short> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes `N` octets as an array.
    ///
    /// # Errors
    /// [`Short`] when there are fewer; nothing is taken then.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Takes one octet.
    ///
    /// # Errors
    /// [`Short`] when there is none.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Short> {
        self.array::<1>().map(|[octet]| octet)
    }

    /// Takes 16 bits in network order.
    ///
    /// # Errors
    /// [`Short`] when there are fewer.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_be_bytes)
    }

    /// Takes 32 bits in network order.
    ///
    /// # Errors
    /// [`Short`] when there are fewer.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_takes_nothing() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16(), Ok(0x0102));
        assert_eq!(reader.u32(), Err(Short));
        assert_eq!(reader.take(2), Err(Short));
        assert_eq!(reader.array::<1>(), Ok([3]));
        assert!(reader.is_empty());
        assert_eq!(reader.u8(), Err(Short));
    }
}
