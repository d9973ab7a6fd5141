internal import CNodeABI

/// HTTP on the node's listeners: the host speaks every version of it, and TLS; the role has routes.
///
///     try context.http.route("GET", "/hello/{name}") { request in
///       try request.answer(text: "hello, \(request["name"] ?? "")\n")
///     }
public struct HTTP {
  let link: HostLink

  /// Runs `body` for each request with this method (none given: any) and a path like `pattern`: "{name}" catches a
  /// segment, "{rest*}" at the end all that is left, and the most exact pattern wins. `listener` is a name of the
  /// manifest's `listen` section.
  ///
  /// A request that the closure neither answers nor keeps is answered with 500; an error that it throws is answered
  /// with the HTTP status that is nearest to it.
  @discardableResult
  public func route(
    _ method: String = "", _ pattern: String, listener: String = "", _ body: @escaping (HTTPRequest) throws -> Void
  ) throws -> HTTPRoute {
    let service = try link.httpService
    let token = link.routes.insert(RouteEntry(what: "the closure for \(method) \(pattern)", body: body))
    let handle = listener.lend { listener in
      method.lend { method in
        pattern.lend { service.pointee.route(service.pointee.ctx, listener, method, $0, token) }
      }
    }
    guard handle != 0 else {
      link.routes.remove(token)
      let name = listener.isEmpty ? "data" : listener
      throw RoleError(
        .invalidArgument,
        "no route \(method) \(pattern) on the listener `\(name)`: the pattern is wrong, the manifest has no such "
          + "listener, or the route is another role's; the log says which", at: pattern)
    }
    link.routes[token]?.handle = handle
    return HTTPRoute(link: link, handle: handle, token: token)
  }
}

/// A route that was made; it ends with the role, or when told so.
public struct HTTPRoute {
  let link: HostLink
  let handle: nh_handle
  let token: UInt64

  /// Requests that have come stay open.
  public func remove() {
    guard link.routes.remove(token) != nil, let service = try? link.httpService else { return }
    _ = service.pointee.unroute(service.pointee.ctx, handle)
  }
}

/// A class, so that a request counts one reference to it and none to its parts.
final class RouteEntry {
  var handle: nh_handle = 0
  let what: String
  let body: (HTTPRequest) throws -> Void

  init(what: String, body: @escaping (HTTPRequest) throws -> Void) {
    self.what = what
    self.body = body
  }
}

extension HostLink {
  func httpEventCame(_ event: nh_http_event) {
    if event.kind == NH_HTTP_REQUEST { return requestCame(event) }
    if !clientEventCame(event) { exchanges[event.exchange]?.request.eventCame(event) }
  }

  private func requestCame(_ event: nh_http_event) {
    guard let route = routes[event.token], let head = event.head, let service = try? httpService else { return }
    let request = HTTPRequest(self, service, event.exchange, head)
    do { try route.body(request) } catch { request.refuse(error, from: route.what) }
    request.callbackEnds(route.what)
  }
}
