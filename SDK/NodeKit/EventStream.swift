internal import CNodeABI

/// Server-sent events: an answer that does not end, for pages that show what happens while it happens. In the browser,
/// `new EventSource("/events")` reads it, and asks again by itself when the connection has broken.
///
///     try context.http.route("GET", "/events") { request in
///       pages.append(try request.beginEvents())
///     }
///     …
///     pages.removeAll { !$0.isOpen }
///     for page in pages { try page.send(json: reading) }
public final class EventStream {
  /// What waits for a client that does not read; a page that is so far behind is better off with what comes next.
  public static let backlogLimit = 256 << 10

  private let request: HTTPRequest
  private var backlog: [UInt8] = []
  public private(set) var isOpen = true
  /// The id of the last event that the page had seen when its connection broke, for going on behind it; nil for a new
  /// page.
  public let lastEventID: String?
  /// Events that a slow client has missed.
  public private(set) var missed = 0

  init(_ request: HTTPRequest, _ headers: HTTPHeaders) throws {
    self.request = request
    lastEventID = request.header("last-event-id")
    let own: HTTPHeaders = ["cache-control": "no-store", "x-accel-buffering": "no"]
    try request.begin(200, own + headers, type: "text/event-stream")
    // The request lives as long as the client, and must not hold on to what holds on to it.
    request.whenWritable { [weak self] in try self?.flush() }
    request.whenFailed { [weak self] _ in self?.isOpen = false }
  }

  /// Sends an event. False if it was left out: the page has gone, or does not read.
  ///
  /// - Parameters:
  ///   - event: what the page listens for; "message" if none is given.
  ///   - id: what ``lastEventID`` will be if the connection breaks behind this event.
  @discardableResult
  public func send(_ data: String, event: String? = nil, id: String? = nil) throws -> Bool {
    for word in [event, id] where word?.unicodeScalars.contains(where: { "\r\n\0".unicodeScalars.contains($0) }) == true
    {
      throw RoleError(.invalidArgument, "an event's name and id are one line each")
    }
    var text = ""
    if let event { text += "event: \(event)\n" }
    if let id { text += "id: \(id)\n" }
    // In the protocol CR, LF and both together end a line; as a character of Swift's each is one.
    for line in data.split(
      omittingEmptySubsequences: false, whereSeparator: { $0 == "\n" || $0 == "\r" || $0 == "\r\n" })
    {
      text += "data: \(line)\n"
    }
    return try put(Array((text + "\n").utf8))
  }

  @discardableResult
  public func send(json: JSON, event: String? = nil, id: String? = nil) throws -> Bool {
    try send(json.description, event: event, id: id)
  }

  /// A line that pages pass over. Sent now and then while nothing happens, it keeps proxies from taking the connection
  /// for dead, and finds out pages that have gone.
  @discardableResult
  public func ping() throws -> Bool { try put(Array(":\n\n".utf8)) }

  /// Ends the stream; the page would ask again.
  public func end() {
    guard isOpen else { return }
    isOpen = false
    request.end()
  }

  private func put(_ bytes: [UInt8]) throws -> Bool {
    guard isOpen else { return false }
    if backlog.isEmpty, try request.write(bytes) { return true }
    guard backlog.count + bytes.count <= Self.backlogLimit else {
      missed += 1
      return false
    }
    backlog += bytes
    return true
  }

  private func flush() throws {
    guard isOpen, !backlog.isEmpty, try request.write(backlog) else { return }
    backlog = []
  }
}

extension HTTPRequest {
  /// Answers with a stream of events.
  public func beginEvents(_ headers: HTTPHeaders = []) throws -> EventStream { try EventStream(self, headers) }
}
