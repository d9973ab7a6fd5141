import FuzzSupport
import Glibc
import NodeKit
@testable import ProtoFields
import Testing

/// Messages with every kind of field go from Python's protobuf to ProtoFields and back.
@Suite struct ProtoFieldsInteropTests {
  @Test func pythonReadsWhatIsWrittenAndWritesWhatIsRead() throws {
    let here = "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/")
    let script = "/usr/bin/python3 \(here)/../Interop/protofields.py \(here)/../Interop"
    let made = output("\(script) make").split(separator: "\n").map(bytes)
    #expect(made.count == 100)
    let path = "/tmp/nodehost-protofields-\(getpid())"
    defer { unlink(path) }
    let file = try #require(fopen(path, "w"))
    for message in made {
      var writer = ProtoWriter()
      try copy(ProtoReader(message), to: &writer)
      fputs(
        writer.bytes.map { (byte: UInt8) in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined() + "\n", file)
    }
    fclose(file)
    #expect(output("\(script) check \(path)") == "100 messages are the same\n")
  }

  @Test func fuzz() throws { try FuzzSupport.fuzz("proto", fuzzProtoFields) }

  private func copy(_ message: ProtoReader, to writer: inout ProtoWriter) throws(RoleError) {
    var reader = message, ints: [Int32] = [], longs: [Int64] = [], doubles: [Double] = [], floats: [Float] = []
    while try reader.next() {
      let field = reader.field
      switch field {
      case 1: writer.int32(field, try reader.int32())
      case 2: writer.int64(field, try reader.int64())
      case 3: writer.uint32(field, try reader.uint32())
      case 4: writer.uint64(field, try reader.uint64())
      case 5, 6: writer.signed(field, try reader.signed())
      case 7: writer.bool(field, try reader.bool())
      case 8: writer.fixed32(field, try reader.fixed32())
      case 9: writer.fixed64(field, try reader.fixed64())
      case 10: writer.double(field, try reader.double())
      case 11: writer.float(field, try reader.float())
      case 12: writer.string(field, try reader.string())
      case 13: writer.data(field, try reader.data())
      case 14: try reader.ints(into: &ints)
      case 15: try reader.ints(into: &longs)
      case 16: try reader.doubles(into: &doubles)
      case 17: try reader.floats(into: &floats)
      case 18: writer.element(field, try reader.string())
      case 19: try reader.pair { (key, value) throws(RoleError) in writer.pair(field, key, value) }
      default:
        let inner = try reader.message()
        try writer.message(field) { (part) throws(RoleError) in try copy(inner, to: &part) }
      }
    }
    writer.ints(14, ints)
    writer.ints(15, longs)
    writer.doubles(16, doubles)
    writer.floats(17, floats)
  }

  private func output(_ command: String) -> String {
    guard let pipe = popen(command, "r") else { return "" }
    defer { pclose(pipe) }
    var text: [UInt8] = []
    while case let byte = fgetc(pipe), byte != EOF { text.append(UInt8(truncatingIfNeeded: byte)) }
    return String(decoding: text, as: UTF8.self)
  }

  private func bytes(_ hex: Substring) -> [UInt8] {
    let digits = hex.utf8.map { $0 < 0x3A ? $0 - 0x30 : $0 - 0x57 }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }
}
