import NodeKit
import Testing

@testable import SecureSum

@Suite struct PrimitiveTests {
  private func hex(_ text: String) -> [UInt8] {
    stride(from: 0, to: text.count, by: 2).map { place in
      let start = text.index(text.startIndex, offsetBy: place)
      return UInt8(text[start..<text.index(start, offsetBy: 2)], radix: 16)!
    }
  }

  /// RFC 7748, section 6.1.
  @Test func keysAgree() throws {
    let bob = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    let alice = hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    #expect(try SecureKeys.publicKey(bob) == hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"))
    #expect(try SecureKeys.agree(bob, alice) == hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"))
  }

  /// RFC 5869, A.3: neither salt nor purpose; the first 32 bytes.
  @Test func secretsAreDerived() throws {
    let secret = [UInt8](repeating: 0x0B, count: 22)
    #expect(
      try SecureKeys.derive(secret, "") == hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"))
  }

  /// RFC 8439, 2.3.2's cipher with a nonce of zeroes: A.1, the first vector.
  @Test func streamsAreChaCha20() throws {
    let words = try SecureKeys.stream([UInt8](repeating: 0, count: 32), numbers: 4)
    #expect(words == [0xADE0_B876, 0x903D_F1A0, 0xE56A_5D40, 0x28BD_8653])
  }

  @Test func whatIsSealedOpens() throws {
    let key = [UInt8](1...32), sealed = try SecureKeys.seal([1, 2, 3], key)
    #expect(SecureKeys.open(sealed, key) == [1, 2, 3])
    for place in sealed.indices {
      var changed = sealed
      changed[place] ^= 0x10
      #expect(SecureKeys.open(changed, key) == nil)
    }
    #expect(SecureKeys.open([], key) == nil)
  }

  @Test func fieldNumbersAreNumbers() {
    let most = FieldNumber(exactly: FieldNumber.modulus - 1)!
    #expect(most + .one == .zero && FieldNumber.zero - .one == most && most * most == .one)
    #expect(FieldNumber(exactly: FieldNumber.modulus) == nil)
    var dice = SplitMix(state: 3)
    for _ in 0..<1000 {
      let a = FieldNumber(exactly: dice.next() >> 4)!, b = FieldNumber(exactly: dice.next() >> 5)!
      let (high, low) = a.value.multipliedFullWidth(by: b.value)
      #expect((a * b).value == FieldNumber.modulus.dividingFullWidth((high, low)).remainder)
      #expect(a == .zero || a * a.inverse == .one)
    }
  }

  @Test func anyThresholdOfSharesIsTheSecret() throws {
    let secret = (0..<32 as Range<UInt8>).map { 7 &* $0 &+ 200 }
    let shares = try SecretShare.split(secret, count: 6, threshold: 3, seed: [UInt8](repeating: 1, count: 32))
    for first in 1...4 {
      for second in first + 1...5 {
        for third in second + 1...6 {
          let places = [third, first, second]
          let weights = SecretShare.weights(of: places)
          #expect(SecretShare.join(places.map { shares[$0 - 1] }, weights: weights) == secret)
        }
      }
    }
    #expect(SecretShare.join(Array(shares.prefix(2)), weights: SecretShare.weights(of: [1, 2])) != secret)
    #expect(shares.allSatisfy { SecretShare($0.bytes) == $0 })
  }

  /// A mask is the same whether it is made at once or from somewhere in the middle on.
  @Test func masksBeginAnywhere() throws {
    let seed = [UInt8](50..<82)
    let whole = try SecureKeys.stream(seed, numbers: 10_000)
    var streams = MaskStreams()
    streams.add(seed, sign: -1)
    for first in [0, 16, 2048, 4096 + 16] {
      var rest = Array(whole[first...])
      try streams.apply(to: &rest, first: first, count: rest.count)
      #expect(rest.allSatisfy { $0 == 0 }, "from \(first)")
    }
  }

  @Test func numbersAreRoundedAndCut() throws {
    let plan = try SecurePlan(round: "r", threshold: 2, participants: 2, count: 3, range: 1, weightLimit: 1)
    let masking = SecureMasking(plan: plan, streams: MaskStreams())
    let masked = try masking.mask([0.5, -2, 3], base: [0.25, 0, 0], weight: 1)
    #expect(masked.cut == 2)
    let words = masked.bytes.withUnsafeBytes { $0.bindMemory(to: Int32.self).map { Double($0) / plan.factor } }
    #expect(abs(words[0] - 0.25) < 1e-8 && abs(words[1] + 1) < 1e-8 && abs(words[2] - 1) < 1e-8)
    #expect(throws: RoleError.self) { try masking.mask([0, .nan, 0], weight: 1) }
    #expect(throws: RoleError.self) { try masking.mask([0, 0, 0], weight: 2) }
  }
}
