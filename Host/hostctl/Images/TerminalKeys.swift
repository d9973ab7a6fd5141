import Glibc
import HostCore

/// The keys of a terminal, one by one. The terminal is as it was again when this goes.
final class TerminalKeys {
  enum Key: Equatable {
    case edit(EditedLine.Key)
    case enter, interrupt, endOfInput, complete, redraw, unknown
  }

  private var usual = termios()
  private var pending: ArraySlice<UInt8> = []

  /// Nil if there is no terminal.
  init?() {
    guard isatty(STDIN_FILENO) == 1, tcgetattr(STDIN_FILENO, &usual) == 0 else { return nil }
  }

  deinit { rest() }

  /// Each key comes by itself from now on, Ctrl-C too.
  func listen() {
    var raw = usual
    raw.c_iflag &= ~tcflag_t(ICRNL | IXON)
    raw.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG | IEXTEN)
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)
  }

  func rest() { tcsetattr(STDIN_FILENO, TCSADRAIN, &usual) }

  /// Nil when the terminal is gone.
  func next() -> Key? {
    guard let byte = nextByte() else { return nil }
    switch byte {
    case 0x0D, 0x0A: return .enter
    case 0x03: return .interrupt
    case 0x04: return .endOfInput
    case 0x09: return .complete
    case 0x0C: return .redraw
    case 0x01: return .edit(.home)
    case 0x02: return .edit(.left)
    case 0x05: return .edit(.end)
    case 0x06: return .edit(.right)
    case 0x08, 0x7F: return .edit(.backspace)
    case 0x0B: return .edit(.eraseToEnd)
    case 0x0E: return .edit(.down)
    case 0x10: return .edit(.up)
    case 0x15: return .edit(.eraseToStart)
    case 0x17: return .edit(.eraseWord)
    case 0x1B: return escaped()
    case 0..<0x20: return .unknown
    default: return character(byte)
    }
  }

  private func nextByte() -> UInt8? {
    while pending.isEmpty {
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = read(STDIN_FILENO, &bytes, bytes.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return nil }
      pending = bytes.prefix(count)
    }
    return pending.popFirst()
  }

  private func character(_ first: UInt8) -> Key {
    let more = first < 0xC0 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3
    var bytes = [first]
    for _ in 0..<more { if let byte = nextByte() { bytes.append(byte) } }
    guard let text = String(validating: bytes, as: UTF8.self), let character = text.first else { return .unknown }
    return .edit(.text(character))
  }

  /// Terminals send a key's whole sequence at once; an escape alone is the key of that name, and means nothing here.
  private func escaped() -> Key {
    guard let kind = pending.first, kind == UInt8(ascii: "[") || kind == UInt8(ascii: "O") else { return .unknown }
    pending.removeFirst()
    var number = ""
    while let byte = nextByte() {
      guard byte < 0x40 else { return Self.named(byte, number) }
      number.append(Character(Unicode.Scalar(byte)))
    }
    return .unknown
  }

  private static func named(_ byte: UInt8, _ number: String) -> Key {
    switch (Character(Unicode.Scalar(byte)), number) {
    case ("A", _): .edit(.up)
    case ("B", _): .edit(.down)
    case ("C", _): .edit(.right)
    case ("D", _): .edit(.left)
    case ("H", _), ("~", "1"), ("~", "7"): .edit(.home)
    case ("F", _), ("~", "4"), ("~", "8"): .edit(.end)
    case ("~", "3"): .edit(.delete)
    default: .unknown
    }
  }
}
