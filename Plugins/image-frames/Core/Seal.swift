import CImageFrames

/// AES-256-GCM with the nonce in front and the tag behind.
public struct Seal {
  private let key: [UInt8]

  /// From 64 hexadecimal digits; nil for anything else.
  public init?(hexadecimal text: String) {
    let digits = text.compactMap(\.hexDigitValue)
    guard digits.count == 2 * Int(IMF_KEY), digits.count == text.count else { return nil }
    key = stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }

  public func seal(_ text: [UInt8], nonce: [UInt8]) -> [UInt8]? {
    precondition(nonce.count == Int(IMF_NONCE))
    var out = [UInt8](repeating: 0, count: text.count + Int(IMF_NONCE + IMF_TAG))
    return imf_seal(key, nonce, text, UInt64(text.count), &out) == 1 ? out : nil
  }

  /// Nil if it was sealed with another key, or was changed.
  public func open(_ sealed: [UInt8]) -> [UInt8]? {
    guard sealed.count >= Int(IMF_NONCE + IMF_TAG) else { return nil }
    var out = [UInt8](repeating: 0, count: sealed.count - Int(IMF_NONCE + IMF_TAG))
    return imf_open(key, sealed, UInt64(sealed.count), &out) == 1 ? out : nil
  }
}
