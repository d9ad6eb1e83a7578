//! A small assembler for classic BPF, the language of socket filters: instructions with labels instead of distances.

/// One instruction, as the kernel's `sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) then: u8,
    pub(super) otherwise: u8,
    pub(super) operand: u32,
}

/// A place in the program, set once by [`Assembler::place`]; jumps go forward only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

enum Line {
    Plain(u16, u32),
    /// Jumps when A equals the operand, else goes on.
    JumpIfEqual(u32, Label),
    JumpUnlessEqual(u32, Label),
    Jump(Label),
}

/// Collects a program.
#[derive(Default)]
pub(super) struct Assembler {
    lines: Vec<Line>,
    labels: Vec<usize>,
}

const UNPLACED: usize = usize::MAX;

impl Assembler {
    /// A label to jump to; it has no place yet.
    pub(super) fn label(&mut self) -> Label {
        self.labels.push(UNPLACED);
        Label(self.labels.len() - 1)
    }

    /// The next instruction is where `label` is.
    pub(super) fn place(&mut self, label: Label) {
        self.labels[label.0] = self.lines.len();
    }

    /// A ← octet at X + `offset` of the frame; a frame that is too short is refused.
    pub(super) fn load_octet(&mut self, offset: u32) {
        self.plain(libc::BPF_LD | libc::BPF_B | libc::BPF_IND, offset);
    }

    /// A ← 16-bit number at X + `offset`.
    pub(super) fn load_half(&mut self, offset: u32) {
        self.plain(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, offset);
    }

    /// A ← 32-bit number at X + `offset`.
    pub(super) fn load_word(&mut self, offset: u32) {
        self.plain(libc::BPF_LD | libc::BPF_W | libc::BPF_IND, offset);
    }

    /// A ← octet at `offset`. The kernel compiles a load from a fixed place to a comparison and a move, one from X + offset
    /// to a call.
    pub(super) fn load_octet_at(&mut self, offset: u32) {
        self.plain(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, offset);
    }

    /// A ← 16-bit number at `offset`.
    pub(super) fn load_half_at(&mut self, offset: u32) {
        self.plain(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, offset);
    }

    /// A ← 32-bit number at `offset`.
    pub(super) fn load_word_at(&mut self, offset: u32) {
        self.plain(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    }

    /// A ← 32-bit number at `offset` of the link-layer header, in a program that is shown the network header.
    pub(super) fn load_link_word(&mut self, offset: u32) {
        let link = libc::SKF_LL_OFF.cast_unsigned().wrapping_add(offset);
        self.plain(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, link);
    }

    /// A ← to whom the frame is, as the kernel sees it (`PACKET_HOST` and so on).
    pub(super) fn load_packet_type(&mut self) {
        let kind = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE).cast_unsigned();
        self.plain(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, kind);
    }

    /// X ← `value`.
    pub(super) fn set_x(&mut self, value: u32) {
        self.plain(libc::BPF_LDX | libc::BPF_IMM, value);
    }

    /// Cell ← X.
    pub(super) fn store_x(&mut self, cell: u32) {
        self.plain(libc::BPF_STX, cell);
    }

    /// X ← cell.
    pub(super) fn recall_x(&mut self, cell: u32) {
        self.plain(libc::BPF_LDX | libc::BPF_MEM, cell);
    }

    /// Cell ← A.
    pub(super) fn store(&mut self, cell: u32) {
        self.plain(libc::BPF_ST, cell);
    }

    /// A ← cell.
    pub(super) fn recall(&mut self, cell: u32) {
        self.plain(libc::BPF_LD | libc::BPF_MEM, cell);
    }

    /// X ← X + 8 × (A + 1): past an extension header whose length octet is A (RFC 8200 §4.2).
    pub(super) fn skip_extension(&mut self) {
        self.plain(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_K, 1);
        self.plain(libc::BPF_ALU | libc::BPF_LSH | libc::BPF_K, 3);
        self.plain(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X, 0);
        self.plain(libc::BPF_MISC | libc::BPF_TAX, 0);
    }

    /// Goes to `label` when A is `value`.
    pub(super) fn jump_if(&mut self, value: u32, label: Label) {
        self.lines.push(Line::JumpIfEqual(value, label));
    }

    /// Goes to `label` when A is not `value`.
    pub(super) fn jump_unless(&mut self, value: u32, label: Label) {
        self.lines.push(Line::JumpUnlessEqual(value, label));
    }

    /// Goes to `label`.
    pub(super) fn jump(&mut self, label: Label) {
        self.lines.push(Line::Jump(label));
    }

    /// Ends: the first `octets` of the frame are delivered; 0 refuses it.
    pub(super) fn deliver(&mut self, octets: u32) {
        self.plain(libc::BPF_RET | libc::BPF_K, octets);
    }

    /// Ends: A is the answer.
    pub(super) fn deliver_number(&mut self) {
        self.plain(libc::BPF_RET | libc::BPF_A, 0);
    }

    /// The program with distances for labels.
    ///
    /// # Panics
    /// When a label was never placed, lies behind its jump, or lies more than 255 instructions ahead of a conditional
    /// jump: a bug of the program's author, which its tests must find for every shape of the program.
    pub(super) fn finish(&self) -> Vec<Instruction> {
        self.lines.iter().enumerate().map(|(at, line)| self.resolve(at, line)).collect()
    }

    fn resolve(&self, at: usize, line: &Line) -> Instruction {
        let distance = |label: Label| {
            let place = self.labels[label.0];
            assert!(place != UNPLACED && place > at, "label {} is not ahead of instruction {at}", label.0);
            place - at - 1
        };
        let short =
            |label| u8::try_from(distance(label)).expect("a conditional jump reaches 255 instructions");
        let equal = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
        match *line {
            Line::Plain(code, operand) => Instruction { code, then: 0, otherwise: 0, operand },
            Line::JumpIfEqual(operand, label) => {
                Instruction { code: equal, then: short(label), otherwise: 0, operand }
            }
            Line::JumpUnlessEqual(operand, label) => {
                Instruction { code: equal, then: 0, otherwise: short(label), operand }
            }
            Line::Jump(label) => {
                let operand = u32::try_from(distance(label)).expect("a program is short");
                Instruction { code: code(libc::BPF_JMP | libc::BPF_JA), then: 0, otherwise: 0, operand }
            }
        }
    }

    fn plain(&mut self, parts: u32, operand: u32) {
        self.lines.push(Line::Plain(code(parts), operand));
    }
}

/// Instruction codes are 16 bits wide; the constants of the C header are not.
fn code(parts: u32) -> u16 {
    parts as u16
}
