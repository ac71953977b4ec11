// STREAMS loads at once on a few channels: stream s asks for burst s * BASE + n * STRIDE as its n-th, of COUNT.
module top;
    parameter STREAMS = 8, COUNT = 200, BASE = 1, STRIDE = 1, CHANNELS = 4, NUMERATOR = 15, DENOMINATOR = 11;
    parameter MEMORY = 120, OUTSTANDING = 128;
    reg clk = 0;
    wire [STREAMS-1:0] ask, there, take;
    wire [STREAMS*32-1:0] address;
    memory #(STREAMS, CHANNELS, NUMERATOR, DENOMINATOR, MEMORY) hbm(clk, ask, address, there, take);
    reg [STREAMS-1:0] done = 0;
    genvar g;
    generate
        for (g = 0; g < STREAMS; g = g + 1) begin : unit
            integer asked = 0, answered = 0;
            wire ended;
            account #(COUNT) request(clk, 1'b1, asked - answered < OUTSTANDING || take[g], ask[g], );
            account #(COUNT) respond(clk, there[g], 1'b1, take[g], ended);
            assign address[g*32 +: 32] = g * BASE + asked * STRIDE;
            always @(posedge clk) begin
                if (ask[g]) asked <= asked + 1;
                if (take[g]) answered <= answered + 1;
                if (ended && !done[g]) begin
                    done[g] <= 1;
                    $display("request%0d %0d %0d %0d", g, request.firings, request.starved, request.blocked);
                    $display("respond%0d %0d %0d %0d", g, respond.firings, respond.starved, respond.blocked);
                    $display("last%0d %0d", g, respond.last);
                end
            end
        end
    endgenerate
    always #1 clk = !clk;
    always @(posedge clk) if (&done) $finish;
endmodule
