package drover.bed;

import java.util.List;

import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.action.RestToXContentListener;

/** Answers {@code GET /} and {@code HEAD /} as the {@code rest-root} module does. */
final class RootHandler extends BaseRestHandler {
    @Override
    public String getName() {
        return "bed_root";
    }

    @Override
    public List<Route> routes() {
        return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
        return channel -> client.execute(RootAction.TYPE, new RootAction.Request(), new RestToXContentListener<>(channel));
    }
}
