/// Feeds bytes to everything that reads a link. Must never trap; that pieces are understood differently from the whole
/// is a fault too, and is made one.
package func fuzzPeerLink(_ bytes: [UInt8]) {
  let whole = parcels(in: bytes, pieces: max(1, bytes.count))
  let split = parcels(in: bytes, pieces: Int(bytes.first ?? 0) % 7 + 1)
  precondition(whole == split, "parcels in pieces were read differently from the same in one")
  for parcel in whole {
    check(parcel)
    let written = PeerWriter.parcel(parcel.kind, parcel.lane, parcel.body)
    precondition(written.count == PeerWriter.size(of: parcel.body.count), "a parcel has another size than was said")
    precondition(parcels(in: written, pieces: 1_000) == [parcel], "a parcel does not survive being written and read")
    let frames = written.withUnsafeBytes { PeerWriter.wholeFrames($0, most: .max) }
    precondition(frames == (written.count, 1), "a parcel's frames are counted wrong")
  }
}

private struct Parcel: Equatable {
  var kind: PeerFrame.Kind
  var lane: PeerFrame.Lane
  var body: [UInt8]
}

/// As a connection keeps what is not used yet.
private func parcels(in bytes: [UInt8], pieces: Int) -> [Parcel] {
  var reader = PeerReader()
  var found: [Parcel] = [], waiting: [UInt8] = []
  for start in stride(from: 0, to: bytes.count, by: pieces) {
    waiting += bytes[start..<min(start + pieces, bytes.count)]
    do throws(PeerFault) {
      let used = try waiting.withUnsafeBufferPointer { (bytes) throws(PeerFault) in
        try reader.read(UnsafeRawBufferPointer(bytes)) { (kind, lane, body) throws(PeerFault) in
          found.append(Parcel(kind: kind, lane: lane, body: [UInt8](body)))
          return true
        }
      }
      waiting.removeFirst(used)
    } catch {
      break
    }
  }
  return found
}

/// What is inside, if it can be read, must survive being written too.
private func check(_ parcel: Parcel) {
  parcel.body.withUnsafeBytes { body in
    switch parcel.kind {
    case .hello:
      guard let hello = try? PeerHello(body) else { return }
      precondition(hello.body.elementsEqual(body.prefix(hello.body.count)), "a hello does not survive")
      let own = PeerSelf(PeerHello(id: 1, boot: 1, cluster: "c", name: "n"))
      _ = own.objection(to: hello, expected: nil, isKnown: { $0 % 2 == 0 })
    case .refusal: _ = try? PeerRefusal(body)
    case .message:
      guard let message = try? PeerMessage(body) else { return }
      let room = UnsafeMutableRawBufferPointer.allocate(byteCount: PeerMessage.headLimit, alignment: 8)
      defer { room.deallocate() }
      let head = PeerMessage.writeHead(channel: message.channel, from: message.from, to: message.to, into: room)
      precondition(
        head.map { $0 + message.payload.count == body.count && room.prefix($0).elementsEqual(body.prefix($0)) } == true,
        "a message does not survive")
    case .request:
      guard let request = try? PeerRequest(body) else { return }
      let again = request.body.withUnsafeBytes { try? PeerRequest($0) }
      precondition(again?.body == request.body, "a call does not survive")
    case .response:
      guard let response = try? PeerResponse(body) else { return }
      let again = response.body.withUnsafeBytes { try? PeerResponse($0) }
      precondition(again?.body == response.body, "an answer does not survive")
    case .welcome, .ping, .pong, .cancel: break
    }
  }
}
