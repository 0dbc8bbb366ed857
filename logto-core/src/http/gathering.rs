//! A request in one piece: ureq sends its head and its body apart, which is another system call, another
//! packet and another TLS record, and wakes the server up for a head that it can do nothing with.

use std::fmt;

use ::ureq::Error;
use ::ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, Transport,
};

/// What is held back at most: the buffer must still have room for the largest header.
const MOST_HELD: usize = 16 * 1024;

/// Makes each connection of the chain before it a [`Gathering`] one.
#[derive(Debug, Default)]
pub(super) struct GatheringConnector;

impl<In: Transport> Connector<In> for GatheringConnector {
    type Out = Gathering<In>;

    fn connect(
        &self,
        _: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| Gathering { inner, held: 0 }))
    }
}

/// Holds back what is to be sent until an answer is waited for.
pub(super) struct Gathering<T> {
    inner: T,
    /// So many bytes at the start of the output buffer are to be sent.
    held: usize,
}

impl<T: Transport> Gathering<T> {
    fn send_held(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        match std::mem::take(&mut self.held) {
            0 => Ok(()),
            held => self.inner.transmit_output(held, timeout),
        }
    }
}

impl<T: Transport> Transport for Gathering<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        match self.held {
            0 => self.inner.buffers(),
            _ => self,
        }
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.held += amount;
        match self.held > MOST_HELD {
            true => self.send_held(timeout),
            false => Ok(()),
        }
    }

    /// Sends also where there is input already, of which ureq would not wait for more.
    fn maybe_await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.send_held(timeout)?;
        self.inner.maybe_await_input(timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.send_held(timeout)?;
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// While something is held, which is before the answer: what comes next is written behind it.
impl<T: Transport> Buffers for Gathering<T> {
    fn output(&mut self) -> &mut [u8] {
        &mut self.inner.buffers().output()[self.held..]
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        let (tmp, output) = self.inner.buffers().tmp_and_output();
        (tmp, &mut output[self.held..])
    }

    fn input(&self) -> &[u8] {
        &[]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.inner.buffers().input_append_buf()
    }

    fn input_appended(&mut self, amount: usize) {
        self.inner.buffers().input_appended(amount);
    }

    fn input_consume(&mut self, amount: usize) {
        self.inner.buffers().input_consume(amount);
    }

    fn can_use_input(&self) -> bool {
        false
    }
}

impl<T> fmt::Debug for Gathering<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathering").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use ::ureq::unversioned::transport::LazyBuffers;

    use super::*;

    /// Keeps each piece that it is to send.
    #[derive(Debug)]
    struct Recording {
        buffers: LazyBuffers,
        pieces: Vec<Vec<u8>>,
    }

    impl Transport for Recording {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.buffers
        }

        fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
            self.pieces.push(self.buffers.output()[..amount].to_vec());
            Ok(())
        }

        fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
            self.buffers.input_append_buf()[..2].copy_from_slice(b"ok");
            self.buffers.input_appended(2);
            Ok(true)
        }

        fn is_open(&mut self) -> bool {
            true
        }
    }

    fn gathering() -> Gathering<Recording> {
        let (buffers, pieces) = (LazyBuffers::new(64 * 1024, 64 * 1024), Vec::new());
        let inner = Recording { buffers, pieces };
        Gathering { inner, held: 0 }
    }

    fn write(transport: &mut Gathering<Recording>, bytes: &[u8]) {
        transport.buffers().output()[..bytes.len()].copy_from_slice(bytes);
        let sent = transport.transmit_output(bytes.len(), NextTimeout::default());
        sent.unwrap();
    }

    fn write_body(transport: &mut Gathering<Recording>, bytes: &[u8]) {
        transport.buffers().tmp_and_output().1[..bytes.len()].copy_from_slice(bytes);
        let sent = transport.transmit_output(bytes.len(), NextTimeout::default());
        sent.unwrap();
    }

    #[test]
    fn head_and_body_are_sent_in_one_piece_when_the_answer_is_waited_for() {
        let mut transport = gathering();
        for _ in 0..2 {
            write(&mut transport, b"head,");
            write_body(&mut transport, b"body");
            assert!(transport.inner.pieces.is_empty());
            assert!(transport.await_input(NextTimeout::default()).unwrap());
            assert_eq!(std::mem::take(&mut transport.inner.pieces), [b"head,body"]);
            assert_eq!(transport.buffers().input(), b"ok");
            transport.buffers().input_consume(2);
        }
    }

    #[test]
    fn nothing_is_held_while_there_is_input_that_need_not_be_waited_for() {
        let mut transport = gathering();
        transport.await_input(NextTimeout::default()).unwrap();
        transport.buffers().input_consume(1);
        write(&mut transport, b"head");
        assert!(transport.maybe_await_input(NextTimeout::default()).unwrap());
        assert_eq!(transport.inner.pieces, [b"head"]);
        assert_eq!(transport.buffers().input(), b"k");
    }

    #[test]
    fn a_long_request_is_sent_in_order_and_leaves_room_for_more() {
        let mut transport = gathering();
        let piece = vec![b'x'; 10 * 1024];
        for _ in 0..20 {
            write(&mut transport, &piece);
        }
        assert_eq!(transport.inner.pieces.len(), 10);
        transport.await_input(NextTimeout::default()).unwrap();
        let sent: usize = transport.inner.pieces.iter().map(Vec::len).sum();
        assert_eq!(sent, 20 * piece.len());
    }
}
