package import CSystem
import Glibc
import HostCore

/// Where a socket is or leads.
package struct SocketAddress: Sendable, CustomStringConvertible {
  package private(set) var raw: csystem_address

  package init(_ raw: csystem_address) { self.raw = raw }

  /// Nil if the text is not an address but a name.
  package init?(literal host: String, port: UInt16) {
    raw = csystem_address()
    guard csystem_parse_address(host, port, &raw) == 0 else { return nil }
  }

  /// The addresses of a host, the one to try first first. Asks the network if it is a name, and takes as long as that.
  static func resolve(_ endpoint: Endpoint, toListen: Bool = false) throws(NetworkFailure) -> [SocketAddress] {
    let room = 16
    var found = [csystem_address](repeating: csystem_address(), count: room)
    let count = csystem_resolve(endpoint.host, endpoint.port, toListen ? 1 : 0, &found, Int32(room))
    guard count > 0 else {
      throw NetworkFailure("\(endpoint.host) has no address: \(String(cString: csystem_resolve_words(count)))")
    }
    return found.prefix(Int(count)).map(SocketAddress.init)
  }

  package static func local(of descriptor: Int32) -> SocketAddress? {
    var raw = csystem_address()
    return csystem_local_address(descriptor, &raw) == 0 ? SocketAddress(raw) : nil
  }

  package var port: UInt16 { withUnsafePointer(to: raw) { csystem_port($0) } }

  /// Without the port.
  package var host: String { Endpoint(description)?.host ?? description }

  /// "10.0.0.7:51234".
  package var description: String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(CSYSTEM_ADDRESS_TEXT)) { text in
      let length = withUnsafePointer(to: raw) { csystem_address_text($0, text.baseAddress!) }
      return String(decoding: UnsafeRawBufferPointer(text).prefix(Int(length)), as: UTF8.self)
    }
  }
}

/// Why something about the network did not succeed, in words.
package struct NetworkFailure: Error, Sendable, Equatable {
  package var words: String
  package init(_ words: String) { self.words = words }

  static func system(_ what: String, _ code: Int32 = errno) -> NetworkFailure {
    NetworkFailure("\(what): \(String(cString: strerror(code)))")
  }
}
