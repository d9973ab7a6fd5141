import HostCore
import Testing

/// A shared object of nothing but a symbol table and its names.
@Suite struct ElfImageTests {
  private func bytes(_ number: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
  }

  private func section(_ type: UInt64, at offset: Int, _ size: Int, link: UInt64 = 0) -> [UInt8] {
    bytes(0, 4) + bytes(type, 4) + bytes(0, 16) + bytes(UInt64(offset), 8) + bytes(UInt64(size), 8) + bytes(link, 4)
      + bytes(0, 20)
  }

  /// Each symbol is its kind (1 data, 2 function) and where its name begins.
  private func library(_ symbols: [(kind: UInt8, name: UInt64)], names: [UInt8]) -> [UInt8] {
    let table = symbols.flatMap { bytes($0.name, 4) + [1 << 4 | $0.kind, 0] + bytes(1, 2) + bytes(0, 16) }
    let place = 64 + 3 * 64
    let sections =
      section(0, at: 0, 0) + section(11, at: place, table.count, link: 2)
      + section(3, at: place + table.count, names.count)
    let identity: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1] + bytes(0, 9)
    let header =
      identity + bytes(3, 2) + bytes(UInt64(ElfImage.hostMachine), 2) + bytes(1, 4) + bytes(0, 16) + bytes(64, 8)
      + bytes(0, 10) + bytes(64, 2) + bytes(3, 2) + bytes(0, 2)
    return header + sections + table + names
  }

  @Test func readsNamesAndFindsTheEntry() throws {
    let names = Array("\0nh_plugin_query\0other\0".utf8)
    let image = try ElfImage(reading: library([(2, 1), (1, 17)], names: names))
    #expect(image.exports == ["nh_plugin_query", "other"])
    #expect(image.exportsQuery)
  }

  @Test func dataIsNoEntry() throws {
    let image = try ElfImage(reading: library([(1, 0)], names: Array("nh_plugin_query\0".utf8)))
    #expect(image.exports == ["nh_plugin_query"] && !image.exportsQuery)
  }

  /// Reading every name whole would take as many times the file's size as there are symbols.
  @Test func manySymbolsOfOneEndlessNameCostLittle() throws {
    let symbols = [(kind: UInt8, name: UInt64)](repeating: (2, 0), count: 20_000)
    let names = [UInt8](repeating: UInt8(ascii: "a"), count: 1 << 20)
    let image = try ElfImage(reading: library(symbols, names: names))
    #expect(image.exports.count == ElfImage.exportLimit)
    #expect(image.exports.allSatisfy { $0.utf8.count == ElfImage.exportNameLimit })
  }
}
