import Glibc

/// Ports that nobody listens at, for nodes that must know one another's before they start. They are below those that
/// the system gives to clients: of these, one might be a client's by the time it is listened at.
package func freePorts(_ count: Int) -> [UInt16] {
  var sockets: [Int32] = [], ports: [UInt16] = []
  defer { for socket in sockets { close(socket) } }
  while ports.count < count {
    let port = UInt16.random(in: 20_000..<32_768)
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    sockets.append(descriptor)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let isFree = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    if isFree { ports.append(port) }
  }
  return ports
}
