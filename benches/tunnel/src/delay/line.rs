//! One direction of the line.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::ring::Ring;

/// Carries bytes from `from` to `to`, each `delay` after it was read, and then the end.
///
/// A byte is never early. It is late by what the timer's granularity (1 ms), the machine or `to` add. At most
/// `bound` bytes are held; `from` is not read while they are.
///
/// # Errors
/// Whatever `from` or `to` fail with.
pub(super) async fn carry(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    delay: Duration,
    bound: usize,
) -> io::Result<()> {
    let mut flight = Flight {
        ring: Ring::new(bound),
        arrivals: VecDeque::new(),
        arrived: 0,
        end: None,
        delay,
        timer: Box::pin(sleep_until(Instant::now())),
    };
    poll_fn(|context| {
        loop {
            let delivered = flight.poll_deliver(to, context)?;
            if delivered == Poll::Ready(Delivered::End) {
                return Poll::Ready(Ok(()));
            }
            let departed = flight.poll_depart(from, context)?;
            if delivered.is_pending() && departed.is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// What is under way in one direction.
struct Flight {
    ring: Ring,
    /// When the next bytes of the ring arrive, and how many; those that have arrived are not in here.
    arrivals: VecDeque<(Instant, usize)>,
    /// How many of the oldest bytes have arrived, and wait to be written.
    arrived: usize,
    /// When the end arrives, once it has been read.
    end: Option<Instant>,
    delay: Duration,
    timer: Pin<Box<Sleep>>,
}

#[derive(PartialEq, Eq)]
enum Delivered {
    Bytes,
    End,
}

impl Flight {
    fn poll_deliver(
        &mut self,
        to: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Delivered>> {
        self.land();
        while self.arrived == 0 {
            let Some(next) = self.arrivals.front().map(|(at, _)| *at).or(self.end) else {
                return Poll::Pending;
            };
            if self.timer.deadline() != next {
                self.timer.as_mut().reset(next);
            }
            ready!(self.timer.as_mut().poll(context));
            if self.arrivals.is_empty() {
                ready!(Pin::new(to).poll_shutdown(context))?;
                return Poll::Ready(Ok(Delivered::End));
            }
            self.land();
        }
        let written = ready!(Pin::new(to).poll_write_vectored(context, &self.ring.oldest(self.arrived)))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.arrived -= written;
        self.ring.forget(written);
        Poll::Ready(Ok(Delivered::Bytes))
    }

    fn poll_depart(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.end.is_some() {
            return Poll::Pending;
        }
        let room = self.ring.room();
        if room.is_empty() {
            return Poll::Pending;
        }
        let mut buffer = ReadBuf::new(room);
        ready!(Pin::new(from).poll_read(context, &mut buffer))?;
        let count = buffer.filled().len();
        let arrival = Instant::now() + self.delay;
        if count == 0 {
            self.end = Some(arrival);
        } else {
            self.ring.fill(count);
            self.arrivals.push_back((arrival, count));
        }
        Poll::Ready(Ok(()))
    }

    /// Counts as arrived what has been under way for long enough.
    fn land(&mut self) {
        let now = Instant::now();
        while let Some((_, count)) = self.arrivals.pop_front_if(|(at, _)| *at <= now) {
            self.arrived += count;
        }
    }
}

#[cfg(test)]
mod tests;
