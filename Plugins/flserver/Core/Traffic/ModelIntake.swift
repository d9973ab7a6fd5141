internal import NodeKit
internal import Tensors

/// Takes a model's file from whoever sends it by HTTP, as fast as the disk does; its header is looked at before
/// anything is kept.
final class ModelIntake {
  /// Such objects stay until somebody removes them.
  static let mediaType = "application/x-safetensors"

  private let request: HTTPRequest
  private let size: Int
  private let done: (Result<String, RoleError>) throws -> Void
  private var upload: BlobUpload?
  private var waiting: ArraySlice<UInt8> = []
  private var beginning: [UInt8]? = []
  private var owed = 0
  private var isReady = false
  private var hasAll = false
  private var isOver = false
  private let makeUpload: (ModelIntake) throws -> BlobUpload

  init(
    _ blobs: Blobs, _ name: String, _ size: Int, _ request: HTTPRequest,
    then done: @escaping (Result<String, RoleError>) throws -> Void
  ) throws {
    (self.request, self.size, self.done) = (request, size, done)
    makeUpload = { intake in try blobs.upload(name, size: size, mediaType: Self.mediaType) { try intake.told($0, $1) } }
  }

  func begin() {
    do { upload = try makeUpload(self) } catch { return end(.failure(RoleError(error))) }
    request.whenFailed { [self] error in end(.failure(error)) }
    request.readBody(byCredit: true) { [self] piece in
      owed += piece.count
      do {
        try look(piece)
        waiting += piece
        try goOn()
      } catch { end(.failure(RoleError(error))) }
    } then: { [self] _ in
      hasAll = true
      do { try goOn() } catch { end(.failure(RoleError(error))) }
    }
  }

  private func look(_ piece: [UInt8]) throws {
    guard var bytes = beginning else { return }
    bytes += piece
    beginning = bytes
    do {
      guard let length = try SafetensorsHeader.length(bytes, of: size), bytes.count >= length else { return }
      _ = try TensorLayout(SafetensorsHeader(beginning: bytes, of: size))
      beginning = nil
    } catch { throw RoleError(.invalidArgument, "this is no safetensors file: \(error)") }
  }

  private func told(_ upload: BlobUpload, _ event: Blobs.UploadEvent) throws {
    switch event {
    case .ready:
      isReady = true
      try goOn()
    case .finished(let stored): end(.success(stored.sha256))
    case .failed(let error): end(.failure(error))
    }
  }

  private func goOn() throws {
    guard isReady, !isOver, let upload else { return }
    while !waiting.isEmpty {
      guard try upload.write(waiting.prefix(BlobUpload.pieceLimit)) else { return }
      waiting = waiting.dropFirst(BlobUpload.pieceLimit)
    }
    request.wantMore(owed)
    owed = 0
    guard hasAll else { return }
    guard beginning == nil else {
      throw RoleError(.invalidArgument, "this is no safetensors file: it ends in its header")
    }
    hasAll = false
    try upload.finish()
  }

  private func end(_ result: Result<String, RoleError>) {
    guard !isOver else { return }
    isOver = true
    if case .failure = result { upload?.abandon() }
    try? done(result)
  }
}

/// Gives a model's file to whoever asks for it by HTTP, as fast as it is read.
final class ModelDownload {
  private let blobs: Blobs
  private let object: String
  private let request: HTTPRequest
  private let headers: HTTPHeaders
  private var read: BlobRead?
  private var waiting: [[UInt8]] = []
  private var hasAll = false

  init(_ blobs: Blobs, _ object: String, _ request: HTTPRequest, _ headers: HTTPHeaders = []) {
    (self.blobs, self.object, self.request, self.headers) = (blobs, object, request, headers)
  }

  func begin() throws {
    request.whenFailed { [self] _ in read?.cancel() }
    request.whenWritable { [self] in try goOn() }
    try request.begin(200, headers, type: "application/octet-stream")
    read = try blobs.read(object, asksItself: false) { [self] piece in
      waiting.append(piece.bytes)
      try goOn()
    } then: { [self] result in
      if case .failure = result { return request.abort() }
      hasAll = true
      try goOn()
    }
  }

  private func goOn() throws {
    while let next = waiting.first {
      guard try request.write(next) else { return }
      waiting.removeFirst()
      read?.ask(for: next.count)
    }
    if hasAll { request.end() }
  }
}
