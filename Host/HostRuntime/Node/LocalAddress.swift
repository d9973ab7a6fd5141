import Glibc
package import HostCore

/// The address under which other machines reach this one.
package enum LocalAddress {
  /// Any address of the outside world will do to ask for the usual route; this one is reserved for
  /// documentation, and nothing is sent.
  private static let outside = "192.0.2.1"
  private static let loopback = "127.0.0.1"

  /// The local address that routes to the first peer that is not this node itself, or without peers the
  /// one that routes to the outside.
  package static func choose(for manifest: Manifest) -> String {
    if let address = manifest.node.address { return address }
    let peer = manifest.cluster.peers.first { $0.id != manifest.node.id }
    return route(to: peer?.address.host ?? outside) ?? loopback
  }

  /// Connecting a datagram socket sends nothing, but makes the kernel choose a source address.
  private static func route(to host: String) -> String? {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, "9", &hints, &found) == 0, let target = found else { return nil }
    defer { freeaddrinfo(found) }
    let probe = socket(target.pointee.ai_family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard probe >= 0 else { return nil }
    defer { close(probe) }
    guard connect(probe, target.pointee.ai_addr, target.pointee.ai_addrlen) == 0 else { return nil }
    var address = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        guard getsockname(probe, address, &size) == 0 else { return nil }
        return text(address, size)
      }
    }
  }

  private static func text(_ address: UnsafePointer<sockaddr>, _ size: socklen_t) -> String? {
    var room = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    guard getnameinfo(address, size, &room, socklen_t(room.count), nil, 0, NI_NUMERICHOST) == 0 else { return nil }
    return String(decoding: room.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
