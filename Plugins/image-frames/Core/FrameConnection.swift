import CImageFrames
import NodeKit

/// One TCP connection: frames come in and go out, and nobody waits.
final class FrameConnection {
  private static let pieceBytes = 64 << 10

  let address: String
  private let socket: Int32
  private let whenFrame: (FrameConnection, [UInt8]) -> Void
  private let whenEnded: (FrameConnection, String) -> Void
  private var watch: DescriptorWatch?
  private var reader: FrameReader
  private var waiting: [UInt8] = []
  /// So much of it has gone.
  private var gone = 0
  private var endsWhenSent = false
  private(set) var isOpen = true

  init(
    _ socket: Int32, from address: String, frameLimit: Int, whenFrame: @escaping (FrameConnection, [UInt8]) -> Void,
    whenEnded: @escaping (FrameConnection, String) -> Void
  ) {
    (self.socket, self.address, reader) = (socket, address, FrameReader(limit: frameLimit))
    (self.whenFrame, self.whenEnded) = (whenFrame, whenEnded)
  }

  func begin(_ descriptors: Descriptors) throws {
    watch = try descriptors.watch(socket, for: waiting.isEmpty ? .read : [.read, .write]) { [self] ready in
      // It may go while it is called.
      withExtendedLifetime(self) {
        if ready.contains(.write) { write() }
        if isOpen, ready.contains(.read) || ready.contains(.error) { read() }
      }
    }
  }

  /// Sends a frame; the connection ends behind it if that is the last one.
  func send(_ content: [UInt8], last: Bool = false) {
    guard isOpen else { return }
    waiting += FrameReader.frame(content)
    endsWhenSent = endsWhenSent || last
    if watch != nil { write() }
  }

  func end(_ why: String = "") {
    guard isOpen else { return }
    isOpen = false
    watch?.cancel()
    imf_close(socket)
    whenEnded(self, why)
  }

  private func write() {
    while gone < waiting.count {
      let count = waiting.withUnsafeBytes { imf_write(socket, $0.baseAddress! + gone, UInt64($0.count - gone)) }
      if imf_waits(count) != 0 { break }
      guard count >= 0 else { return end(String(cString: imf_words(count))) }
      gone += Int(count)
    }
    if gone == waiting.count { (waiting, gone) = ([], 0) }
    if waiting.isEmpty, endsWhenSent { return end() }
    try? watch?.change(to: waiting.isEmpty ? .read : [.read, .write])
  }

  private func read() {
    var piece = [UInt8](repeating: 0, count: Self.pieceBytes)
    let count = imf_read(socket, &piece, UInt64(piece.count))
    if imf_waits(count) != 0 { return }
    guard count > 0 else { return end(count == 0 ? "" : String(cString: imf_words(count))) }
    reader.feed(piece[..<Int(count)])
    do throws(FrameReader.TooLong) {
      while isOpen, let frame = try reader.next() { whenFrame(self, frame) }
    } catch { end("a frame of \(error.length) bytes is longer than allowed") }
  }
}
