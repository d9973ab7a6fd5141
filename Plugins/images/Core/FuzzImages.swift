/// What the fuzzer tries: the first bytes of what may be an image, a message of another node, and an entry of the
/// store. Stops the process on what should never be.
package func fuzzImages(_ bytes: [UInt8]) {
  tryHeader(bytes)
  if let message = ImageMessage(bytes) {
    precondition(ImageMessage(message.bytes) == message, "it is written as it was read")
  }
  if let entry = ImageEntry(storedBytes: bytes) {
    precondition(ImageEntry(storedBytes: entry.storedBytes) == entry, "it is stored as it was read")
  }
  if let text = String(validating: bytes, as: UTF8.self) {
    _ = Base64.decode(text[...])
    _ = PublicAddress(text)
    _ = ImageID(text)
  }
}

/// More bytes never make another finding of one that stands, and no finding goes beyond the limits.
private func tryHeader(_ bytes: [UInt8]) {
  let limits = ImageHeader.Limits(), half = Array(bytes.prefix(bytes.count / 2))
  let whole = ImageHeader.find(in: bytes, isWhole: true, limits)
  let early = ImageHeader.find(in: half, isWhole: false, limits)
  if case .image(let header) = whole {
    precondition((1...limits.side).contains(header.width) && (1...limits.side).contains(header.height))
    precondition(header.width * header.height <= limits.pixels)
  }
  precondition(whole != .needsMore, "there is no more")
  if case .image = early { precondition(early == whole, "what was found stays") }
}
