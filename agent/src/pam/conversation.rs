//! What PAM's modules say to whoever logs in. Nobody is there to answer, but what they said explains a refusal.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int};
use std::rc::Rc;

use nix::libc;

/// The words of modules since they were last taken.
#[derive(Debug, Default)]
pub(super) struct Words {
    said: RefCell<String>,
}

/// The library's `pam_conv`.
#[repr(C)]
pub(super) struct Conversation {
    answer: Answer,
    words: *const Words,
}

type Answer = unsafe extern "C" fn(c_int, *const *const Message, *mut *mut Response, *const Words) -> c_int;

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    code: c_int,
}

const SUCCESS: c_int = 0;
const BUFFER_ERROR: c_int = 5;
const CONVERSATION_ERROR: c_int = 19;
/// The two kinds of message that want no answer: `PAM_ERROR_MSG` and `PAM_TEXT_INFO`.
const STATEMENTS: [c_int; 2] = [3, 4];
/// The most messages that the library passes on at once (`PAM_MAX_NUM_MSG`).
const MOST_MESSAGES: c_int = 32;
/// Bytes that are kept of what is said.
const LONGEST: usize = 1024;

impl Words {
    /// Returns what was said, as one line, and forgets it.
    pub(super) fn take(&self) -> String {
        self.said.take()
    }

    /// Keeps a text as far as there is room, its lines as one.
    fn keep(&self, text: &str) {
        // Modules do not call back while they are called back, but one that did must not end the process.
        let Ok(mut said) = self.said.try_borrow_mut() else {
            return;
        };
        for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
            if !word.is_empty() && said.len() + word.len() < LONGEST {
                if !said.is_empty() {
                    said.push(' ');
                }
                said.push_str(word);
            }
        }
    }
}

impl Conversation {
    /// Makes one that keeps what is said in `words`, which must be there as long as the library may call.
    pub(super) fn keeping(words: &Rc<Words>) -> Self {
        Self {
            answer: listen,
            words: Rc::as_ptr(words),
        }
    }
}

/// Keeps statements and answers no question.
#[expect(unsafe_code, reason = "called by a C library")]
unsafe extern "C" fn listen(
    count: c_int,
    messages: *const *const Message,
    responses: *mut *mut Response,
    words: *const Words,
) -> c_int {
    let Some(length) = usize::try_from(count)
        .ok()
        .filter(|_| (1..=MOST_MESSAGES).contains(&count))
    else {
        return CONVERSATION_ERROR;
    };
    // SAFETY: pam_conv(3): `messages` is an array of `length` pointers to messages, whose texts end in a zero byte; `words`
    // is what `keeping` was given. The responses are allocated as the library frees them, all zero: no text.
    unsafe {
        for at in 0..length {
            let message = &**messages.add(at);
            if !STATEMENTS.contains(&message.style) {
                return CONVERSATION_ERROR;
            }
            if !message.text.is_null() {
                (*words).keep(&CStr::from_ptr(message.text).to_string_lossy());
            }
        }
        *responses = libc::calloc(length, size_of::<Response>()).cast();
        if (*responses).is_null() {
            return BUFFER_ERROR;
        }
    }
    SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_one_line_of_limited_length() {
        let words = Words::default();
        words.keep("  the machine\nis \x1b[31m mended\r\n");
        words.keep("come back");
        assert_eq!(words.take(), "the machine is [31m mended come back");
        assert_eq!(words.take(), "");
        words.keep(&"word ".repeat(LONGEST));
        assert!(words.take().len() <= LONGEST);
    }

    #[test]
    #[expect(unsafe_code, reason = "called as a C library does")]
    fn takes_statements_and_answers_no_question() {
        let words = Rc::new(Words::default());
        let statement = Message {
            style: 3,
            text: c"closed".as_ptr(),
        };
        let question = Message {
            style: 1,
            text: c"Password: ".as_ptr(),
        };
        let conversation = Conversation::keeping(&words);
        let ask = |messages: &[&Message]| {
            let pointers: Vec<*const Message> = messages
                .iter()
                .map(|message| std::ptr::from_ref(*message))
                .collect();
            let mut responses = std::ptr::null_mut();
            let count = c_int::try_from(pointers.len()).expect("few");
            // SAFETY: all pointers are to live values, and the responses are freed as the library does.
            unsafe {
                let status =
                    (conversation.answer)(count, pointers.as_ptr(), &raw mut responses, conversation.words);
                libc::free(responses.cast());
                status
            }
        };
        assert_eq!(ask(&[&statement, &statement]), SUCCESS);
        assert_eq!(words.take(), "closed closed");
        assert_eq!(ask(&[&question]), CONVERSATION_ERROR);
        assert_eq!(ask(&[]), CONVERSATION_ERROR);
        assert_eq!(ask(&vec![&statement; 33]), CONVERSATION_ERROR);
        assert_eq!(words.take(), "");
    }
}
