import CCrypto
import Glibc
import HostCore

/// An image on this machine, with the name that it will have: the SHA-256 of its bytes.
struct ImageFile: ~Copyable {
  let path: String
  let descriptor: Int32
  let size: UInt64
  let digest: String

  /// Reads it once. `progress` is told how much has been read.
  init(_ path: String) throws(CommandFailure) {
    self.path = path
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw CommandFailure(path, System.message(errno)) }
    do throws(CommandFailure) {
      (size, digest) = try Self.read(file, path)
      descriptor = file
    } catch {
      close(file)
      throw error
    }
  }

  deinit { close(descriptor) }

  var name: String { String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...]) }

  private static func read(_ file: Int32, _ path: String) throws(CommandFailure) -> (UInt64, String) {
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw CommandFailure(path, "it is no file")
    }
    let hash = EVP_MD_CTX_new()
    defer { EVP_MD_CTX_free(hash) }
    guard EVP_DigestInit_ex(hash, EVP_sha256(), nil) == 1 else { throw CommandFailure("SHA-256 is not available") }
    var piece = [UInt8](repeating: 0, count: 256 << 10), size: UInt64 = 0
    while true {
      let count = Glibc.read(file, &piece, piece.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw CommandFailure(path, System.message(errno)) }
      if count == 0 { break }
      EVP_DigestUpdate(hash, piece, count)
      size += UInt64(count)
    }
    guard size > 0 else { throw CommandFailure(path, "it is empty") }
    var digest = [UInt8](repeating: 0, count: 32)
    EVP_DigestFinal_ex(hash, &digest, nil)
    let digits = Array("0123456789abcdef")
    return (size, String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }))
  }
}
