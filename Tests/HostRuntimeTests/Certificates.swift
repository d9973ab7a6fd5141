import Glibc
@testable import HostRuntime
import Testing

/// An authority and certificates of it for 127.0.0.1, made by openssl in a folder of their own.
final class Certificates {
  let folder = Place.temporaryFolder()

  init(_ names: [String] = ["server", "client"]) throws {
    let script = """
      cd \(folder) && set -e
      openssl req -x509 -newkey ed25519 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2
      echo 'subjectAltName=IP:127.0.0.1' > names
      for name in \(names.joined(separator: " ")); do
        openssl req -newkey ed25519 -nodes -keyout $name.key -out $name.csr -subj /CN=$name
        openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out $name.pem -days 2
      done
      """
    let (code, output) = run(["sh", "-c", script])
    try #require(code == 0, "\(output)")
  }

  deinit { run(["rm", "-rf", folder]) }

  var authority: String { "\(folder)/ca.pem" }
  func certificate(_ name: String) -> String { "\(folder)/\(name).pem" }
  func key(_ name: String) -> String { "\(folder)/\(name).key" }

  /// For a listener of a manifest.
  func section(_ name: String = "server", clients: Bool = false) -> String {
    let clients = clients ? ", client_ca: \(authority)" : ""
    return "tls: { certificate: \(certificate(name)), key: \(key(name))\(clients) }"
  }
}
