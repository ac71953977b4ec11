// Memory channels: 64-byte bursts, plain modulo over the channels, each a burst every NUMERATOR / DENOMINATOR cycles.
//
// Port p asks for burst address[p]; the request is at its channel in the cycle after. A channel serves in order of
// arrival; requests of one cycle in the order of the ports, beginning after the port that it enqueued last. The burst
// is there LATENCY cycles after its service, and each port gets its bursts in the order in which it asked.
module memory #(
    parameter PORTS = 1, CHANNELS = 32, NUMERATOR = 15, DENOMINATOR = 11, LATENCY = 120, DEPTH = 4096, REQUESTS = 65536
) (
    input clk,
    input [PORTS-1:0] ask, input [PORTS*32-1:0] address,
    output [PORTS-1:0] there, input [PORTS-1:0] take
);
    // Requests of the cycle before: they arrive now.
    reg [PORTS-1:0] asked = 0;
    reg [31:0] asked_address [0:PORTS-1];

    // Channels: who asked, and what has been served of its head, in 1/NUMERATOR of a burst.
    integer queue_port [0:CHANNELS*DEPTH-1];
    integer queue_tag [0:CHANNELS*DEPTH-1];
    integer head [0:CHANNELS-1], waiting [0:CHANNELS-1], budget [0:CHANNELS-1], last [0:CHANNELS-1];

    // By port and request: the cycle in which the burst is there (none: -1).
    integer due [0:PORTS*REQUESTS-1];
    integer sent [0:PORTS-1], taken [0:PORTS-1];
    integer now = 0, c, p, k, n, at;

    initial begin
        for (c = 0; c < CHANNELS; c = c + 1) begin
            head[c] = 0; waiting[c] = 0; budget[c] = 0; last[c] = -1;
        end
        for (p = 0; p < PORTS; p = p + 1) begin sent[p] = 0; taken[p] = 0; end
        for (k = 0; k < PORTS * REQUESTS; k = k + 1) due[k] = -1;
    end

    genvar g;
    generate
        for (g = 0; g < PORTS; g = g + 1) begin : ports
            wire signed [31:0] cycle = due[g*REQUESTS + taken[g]];
            assign there[g] = cycle >= 0 && cycle <= now;
        end
    endgenerate

    always @(posedge clk) begin
        for (c = 0; c < CHANNELS; c = c + 1) begin
            // Those that arrive in this cycle join, then the head is served for a cycle.
            n = last[c];
            for (k = 1; k <= PORTS; k = k + 1) begin
                p = (n + k) % PORTS;
                if (n < 0) p = k - 1;
                if (asked[p] && asked_address[p] % CHANNELS == c) begin
                    at = c * DEPTH + (head[c] + waiting[c]) % DEPTH;
                    queue_port[at] = p;
                    queue_tag[at] = sent[p];
                    sent[p] = sent[p] + 1;
                    waiting[c] = waiting[c] + 1;
                    last[c] = p;
                end
            end
            if (waiting[c] > 0) begin
                budget[c] = budget[c] + DENOMINATOR;
                if (budget[c] >= NUMERATOR) begin
                    at = c * DEPTH + head[c];
                    due[queue_port[at]*REQUESTS + queue_tag[at]] <= now + 1 + LATENCY;
                    head[c] = (head[c] + 1) % DEPTH;
                    waiting[c] = waiting[c] - 1;
                    budget[c] = budget[c] - NUMERATOR;
                end
                if (waiting[c] == 0) budget[c] = 0;
            end
        end
        for (p = 0; p < PORTS; p = p + 1) begin
            if (take[p]) taken[p] <= taken[p] + 1;
            asked_address[p] <= address[p*32 +: 32];
        end
        asked <= ask;
        now <= now + 1;
    end
endmodule
