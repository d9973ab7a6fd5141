import Glibc
import HostCore
import Testing

/// The seeds of the fuzz targets and some thousand mutations of them, the same in every run.
@Suite struct ControlFuzzTests {
  private static let mutations = 4000

  private func corpus(_ name: String) throws -> [[UInt8]] {
    let tests = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    let folder = "/\(tests)/Fuzz/corpus/\(name)"
    let stream = try #require(opendir(folder), "\(folder) is missing")
    defer { closedir(stream) }
    var seeds: [[UInt8]] = []
    while let entry = readdir(stream) {
      let file = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(cString: $0.bindMemory(to: CChar.self).baseAddress!)
      }
      guard !file.hasPrefix("."), let handle = fopen("\(folder)/\(file)", "r") else { continue }
      defer { fclose(handle) }
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = fread(&bytes, 1, bytes.count, handle)
      seeds.append(Array(bytes[..<count]))
    }
    try #require(!seeds.isEmpty)
    return seeds.sorted { $0.lexicographicallyPrecedes($1) }
  }

  private func fuzz(_ name: String, _ target: ([UInt8]) -> Void) throws {
    let seeds = try corpus(name)
    for seed in seeds { target(seed) }
    var random = SeededGenerator(state: 1)
    for round in 0..<Self.mutations { target(mutate(seeds[round % seeds.count], seeds, &random)) }
  }

  private func mutate(_ seed: [UInt8], _ seeds: [[UInt8]], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = seed
    for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
      let place = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<6, using: &random) {
      case 0: bytes[place] = .random(in: 0...255, using: &random)
      case 1: bytes.remove(at: place)
      case 2: bytes.insert(Array("\r\n:;, %0-\"{[".utf8).randomElement(using: &random)!, at: place)
      case 3: bytes.removeSubrange(place...)
      case 4: bytes.insert(contentsOf: bytes[place...].prefix(9), at: place)
      default: bytes.replaceSubrange(place..., with: seeds.randomElement(using: &random)!)
      }
    }
    return bytes
  }

  @Test func controlHTTP() throws { try fuzz("http", fuzzControlHTTP) }
  @Test func callArguments() throws { try fuzz("call", fuzzCallArguments) }
}

/// SplitMix64.
private struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
